import Crypto
import Foundation
import MillraceCore
import MillraceWire

/// What a gateway says of a model's folder, after every word of it was looked at: names from elsewhere must not lead anywhere.
struct ModelTree: Sendable {
    let files: [ModelListing.File]
    /// SHA-256 over names, sizes, digests and rights.
    let digest: String

    /// - Throws: `model_unavailable` for a list that is no model's.
    init(_ listing: ModelListing) throws {
        guard (1...ModelListing.filesMax).contains(listing.files.count), Set(listing.files.map(\.path)).count == listing.files.count else {
            throw Self.fault("its list has \(listing.files.count) files, or one twice")
        }
        for file in listing.files {
            guard Self.isPlain(file.path) else { throw Self.fault("\"\(file.path.prefix(128))\" is no path inside a folder") }
            guard Self.isDigest(file.sha256), file.bytes >= 0 else { throw Self.fault("\"\(file.path)\" has no digest and size") }
        }
        files = listing.files.sorted { $0.path < $1.path }
        var hash = SHA256()
        for file in files { hash.update(data: Data("\(file.path)\0\(file.bytes)\0\(file.sha256)\0\(file.isExecutable)\n".utf8)) }
        digest = hash.finalize().hexadecimal
    }

    /// One of each content, and whether any file with it is a program.
    var contents: [ModelListing.File] {
        Dictionary(grouping: files, by: \.sha256).values.map { same in
            var file = same[0]
            file.isExecutable = same.contains(where: \.isExecutable)
            return file
        }
        .sorted { $0.sha256 < $1.sha256 }
    }

    static func isPlain(_ path: String) -> Bool {
        guard (1...1024).contains(path.utf8.count), path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return false }
        return path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            (1...255).contains(part.utf8.count) && part != "." && part != ".."
        }
    }

    static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    private static func fault(_ what: String) -> MillraceError {
        MillraceError(.modelUnavailable, "the gateway's model cannot be taken: \(what)")
    }
}
