import Crypto
import Foundation
import Logging
import MillraceCore
import MillraceTestSupport
import MillraceWire
import Synchronization
import Testing

@testable import MillraceWorker

@Suite("The cache of models", .timeLimit(.minutes(1)))
struct ModelCacheTests {
    private let directory: TemporaryDirectory
    private let cache: ModelCache

    init() throws {
        directory = try TemporaryDirectory("mr-cache")
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        cache = ModelCache(folder: directory.file("models"), bytesMax: 100, surroundings: .system, logger: logger)
    }

    /// A model of files with these contents, and what fetches them and counts.
    private func model(_ contents: [String: String]) throws -> ModelTree {
        try ModelTree(
            ModelListing(
                files: contents.map { path, text in
                    let digest = SHA256.hash(data: Data(text.utf8)).hexadecimal
                    return .init(path: path, bytes: Int64(text.utf8.count), sha256: digest, isExecutable: path.hasSuffix(".sh"))
                }))
    }

    private final class Source: Sendable {
        let contents: [String]
        let fetched = Mutex(0)
        init(_ contents: [String]) { self.contents = contents }

        @Sendable func fetch(_ file: ModelListing.File, to path: String) async throws {
            fetched.withLock { $0 += 1 }
            let text = contents.first { SHA256.hash(data: Data($0.utf8)).hexadecimal == file.sha256 }
            try #require(text).write(toFile: path, atomically: false, encoding: .utf8)
        }
    }

    @Test("A model is fetched once, and what another version shares with it not at all")
    func once() async throws {
        let source = Source(["yaml", "weights", "yaml 2", "run"])
        let first = try model(["model.yaml": "yaml", "sub/w.bin": "weights", "run.sh": "run"])
        let loan = try await cache.borrow(first) { try await source.fetch($0, to: $1) }
        #expect(try String(contentsOfFile: loan.path + "/sub/w.bin", encoding: .utf8) == "weights")
        #expect(FileManager.default.isExecutableFile(atPath: loan.path + "/run.sh"))
        #expect(source.fetched.withLock { $0 } == 3)
        #expect(try await cache.borrow(first) { try await source.fetch($0, to: $1) }.path == loan.path)
        #expect(source.fetched.withLock { $0 } == 3)
        _ = try await cache.borrow(try model(["model.yaml": "yaml 2", "sub/w.bin": "weights", "run.sh": "run"])) { try await source.fetch($0, to: $1) }
        #expect(source.fetched.withLock { $0 } == 4)
    }

    @Test("Two that ask at the same time fetch it once")
    func together() async throws {
        let source = Source(["yaml"])
        let tree = try model(["model.yaml": "yaml"])
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<4 { group.addTask { try await cache.borrow(tree) { try await source.fetch($0, to: $1) }.path } }
            for try await path in group { #expect(FileManager.default.fileExists(atPath: path + "/model.yaml")) }
        }
        #expect(source.fetched.withLock { $0 } == 1)
    }

    @Test("What was not used for longest goes when room is needed, what is in use stays, and a model that finds none is refused")
    func room() async throws {
        let texts = ["a", "b", "c", "d"].map { String(repeating: $0, count: 40) }
        let source = Source(texts)
        func borrow(_ index: Int) async throws -> ModelLoan {
            try await cache.borrow(try model(["model.yaml": texts[index]])) { try await source.fetch($0, to: $1) }
        }
        var unused: ModelLoan? = try await borrow(0)
        let gone = try #require(unused?.path)
        unused = nil
        let second = try await borrow(1)
        let third = try await borrow(2)
        #expect(!FileManager.default.fileExists(atPath: gone) && FileManager.default.fileExists(atPath: second.path))
        await #expect(throws: MillraceError.self) { try await borrow(3) }
        #expect(FileManager.default.fileExists(atPath: third.path + "/model.yaml"))
        let left = try FileManager.default.contentsOfDirectory(atPath: directory.file("models/files"))
        #expect(left.count == 2, "\(left)")
    }

    @Test("A model that is not whole any more is made again")
    func damaged() async throws {
        let source = Source(["yaml", "weights"])
        let tree = try model(["model.yaml": "yaml", "w.bin": "weights"])
        let path = try await cache.borrow(tree) { try await source.fetch($0, to: $1) }.path
        try FileManager.default.removeItem(atPath: path + "/w.bin")
        let again = try await cache.borrow(tree) { try await source.fetch($0, to: $1) }
        #expect(try String(contentsOfFile: again.path + "/w.bin", encoding: .utf8) == "weights")
        #expect(source.fetched.withLock { $0 } == 2, "the bytes are there")
    }

    @Test("A cache whose lock cannot be opened says so, and is not waited for")
    func unlockable() async throws {
        try FileManager.default.createDirectory(atPath: directory.file("models/lock"), withIntermediateDirectories: true)
        let error = await #expect(throws: MillraceError.self) {
            try await cache.borrow(try model(["model.yaml": "yaml"])) { _, _ in Issue.record("nothing was locked") }
        }
        #expect(error?.message.contains("models/lock") == true)
    }
}
