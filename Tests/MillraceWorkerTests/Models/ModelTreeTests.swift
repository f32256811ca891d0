import MillraceCore
import MillraceWire
import Testing

@testable import MillraceWorker

@Suite("A model's files as a gateway lists them")
struct ModelTreeTests {
    private func file(_ path: String, _ letter: Character = "a", bytes: Int64 = 1) -> ModelListing.File {
        .init(path: path, bytes: bytes, sha256: String(repeating: letter, count: 64), isExecutable: false)
    }

    @Test("A name that leads out of the folder, or is no name, is not taken",
        arguments: ["../x", "/etc/passwd", "a/../../x", "a//b", "", ".", "..", "a/.", "a\0b", "a\nb", "a/", String(repeating: "a", count: 256)])
    func names(path: String) {
        #expect(throws: MillraceError.self) { try ModelTree(ModelListing(files: [file("model.yaml"), file(path)])) }
    }

    @Test("Neither is a list without files, with one twice, or with what is no digest or size")
    func lists() {
        var bad = [[], [file("a"), file("a")], [file("a", "A")], [file("a", "g")], [file("a", bytes: -1)]]
        bad.append([.init(path: "a", bytes: 1, sha256: "../../x", isExecutable: false)])
        for files in bad { #expect(throws: MillraceError.self) { try ModelTree(ModelListing(files: files)) } }
    }

    @Test("Its digest is that of its files, whatever their order, and changes with each of them")
    func digest() throws {
        let files = [file("model.yaml"), file("sub/ü.bin", "b")]
        let tree = try ModelTree(ModelListing(files: files))
        #expect(try ModelTree(ModelListing(files: files.reversed())).digest == tree.digest)
        var others = [files, files, files, files]
        others[0][0].path = "model.yml"
        others[1][0].bytes = 2
        others[2][0].sha256 = files[1].sha256
        others[3][0].isExecutable = true
        for other in others { #expect(try ModelTree(ModelListing(files: other)).digest != tree.digest) }
        #expect(ModelTree.isDigest(tree.digest))
    }
}
