import AsyncHTTPClient
import Foundation
import MillraceCore
import MillraceFakeServer
import MillraceTestSupport
import MillraceWire
import Testing

@testable import MillraceWorker

@Suite("Fetching models", .timeLimit(.minutes(1)))
struct ModelFetchTests {
    private static let weights = "0123456789"
    private static let version = String(repeating: "ab", count: 32)

    private let directory: TemporaryDirectory
    private let cache: ModelCache

    init() throws {
        directory = try TemporaryDirectory("mr-fetch")
        let repetition = Repetition.hurried()
        cache = ModelCache(folder: directory.file("models"), bytesMax: 100, surroundings: .system, logger: repetition.logger)
    }

    /// Fetches a model of one file from a server that answers so when it is asked for it.
    /// - Returns: the file's content, or what failed, and which ranges were asked for.
    private func fetch(
        _ replies: [FakeServer.Reply], listing listings: [FakeServer.Reply]? = nil, patience: Duration = .seconds(900)
    ) async throws -> (result: Result<String, any Error>, ranges: [String?]) {
        let file = ModelListing.File(path: "w.bin", bytes: Int64(Self.weights.utf8.count), sha256: Self.weights.digest, isExecutable: false)
        let listings = Replies(try listings ?? [.json(try MillraceJSON.string(ModelListing(files: [file])))])
        let replies = Replies(replies)
        return try await FakeServer.with({ $0.path.contains("/files/") ? replies.next() : listings.next() }) { [cache] server in
            let fetch = ModelFetch(client: .shared, base: server.url, key: "mrw_1", repetition: .hurried(patience: patience))
            var result: Result<String, any Error>
            do {
                let loan = try await fetch.borrow(Self.version, from: cache)
                result = .success(try String(contentsOfFile: loan.path + "/w.bin", encoding: .utf8))
            } catch { result = .failure(error) }
            #expect(server.requests.allSatisfy { $0["authorization"] == "Bearer mrw_1" })
            return (result, server.requests.filter { $0.path.hasSuffix("/files/\(Self.weights.digest)") }.map { $0["range"] })
        }
    }

    private static func whole(_ text: String) -> FakeServer.Reply { .bytes(text, type: "application/octet-stream") }

    private static func part(_ text: String, breaksOff: Bool = false) -> FakeServer.Reply { .init(status: 206, body: text, breaksOff: breaksOff) }

    @Test("What breaks off goes on behind what has come, however often, and what is not answered is asked for again")
    func goesOn() async throws {
        let cut = FakeServer.Reply(status: 200, body: "0123", breaksOff: true)
        let (result, ranges) = try await fetch(
            [.problem(503, code: "unavailable"), cut, Self.part("45", breaksOff: true), .hangUp, Self.part("67", breaksOff: true), Self.part("89")])
        #expect(try result.get() == Self.weights)
        #expect(ranges == [nil, nil, "bytes=4-", "bytes=6-", "bytes=6-", "bytes=8-"])
    }

    @Test("A server that gives the whole file when it is asked for the rest is taken at its word")
    func noRanges() async throws {
        let (result, ranges) = try await fetch([.init(status: 200, body: "01234", breaksOff: true), Self.whole(Self.weights)])
        #expect(try result.get() == Self.weights && ranges == [nil, "bytes=5-"])
    }

    @Test("What an earlier process left is gone on with, and begun anew when it was spoiled", arguments: ["0123", "x123", "012345678999"])
    func earlier(left: String) async throws {
        try FileManager.default.createDirectory(atPath: directory.file("models/files"), withIntermediateDirectories: true)
        try left.write(toFile: directory.file("models/files/\(Self.weights.digest).part"), atomically: false, encoding: .utf8)
        let (result, ranges) = try await fetch(left.count > 10 ? [Self.whole(Self.weights)] : [Self.part("456789"), Self.whole(Self.weights)])
        #expect(try result.get() == Self.weights)
        #expect(ranges == ["0123": ["bytes=4-"], "x123": ["bytes=4-", nil], "012345678999": [nil]][left])
    }

    @Test("Wrong bytes are fetched anew, three times at most, and never reach a model's folder", arguments: ["012345678x", "0123456789x"])
    func spoiled(bytes: String) async throws {
        let (result, ranges) = try await fetch([Self.whole(bytes)])
        let error = #expect(throws: MillraceError.self) { try result.get() }
        #expect(error?.code == .modelUnavailable && error?.message.contains("digest") == true && ranges == [nil, nil, nil])
        #expect(!FileManager.default.fileExists(atPath: directory.file("models/files/\(Self.weights.digest)")))
        #expect(try await fetch([Self.whole(bytes), Self.whole(Self.weights)]).result.get() == Self.weights)
    }

    @Test("A gateway that does not answer is asked as long as there is patience, and one that refuses once")
    func givesUp() async throws {
        let away = FakeServer.Reply.problem(503, code: "unavailable")
        let (silent, ranges) = try await fetch([away], patience: .seconds(30))
        #expect(#expect(throws: MillraceError.self) { try silent.get() }?.message.contains("for 30 s") == true && ranges.count > 5)
        let (refused, none) = try await fetch([away], listing: [away, .problem(404, code: "not_found", detail: "no such model", hint: "again")])
        let error = #expect(throws: MillraceError.self) { try refused.get() }
        #expect(error?.message.contains("no such model") == true && error?.hint == "again" && none.isEmpty)
    }
}
