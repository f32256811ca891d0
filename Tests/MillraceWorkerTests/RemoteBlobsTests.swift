import AsyncHTTPClient
import Foundation
import MillraceCloud
import MillraceCore
import MillraceFakeServer
import MillraceInference
import MillraceTestSupport
import Testing

@testable import MillraceWorker

@Suite("Blobs by address", .timeLimit(.minutes(1)))
struct RemoteBlobsTests {
    private static let text = "all the bytes of a page"

    private static func whole(_ text: String) -> FakeServer.Reply { .bytes(text, type: "text/plain") }

    private static func cut(_ text: String) -> FakeServer.Reply { .init(status: 200, body: text, breaksOff: true) }

    /// - Returns: how often it was asked.
    private func download(_ replies: [FakeServer.Reply], patience: Duration = .seconds(900), to path: String) async throws -> Int {
        let replies = Replies(replies)
        let file = JobFile(
            name: "page", filename: nil, blob: Surroundings.system.makeID(), mediaType: "text/plain", bytes: Int64(Self.text.utf8.count),
            sha256: Self.text.digest)
        return try await FakeServer.with({ _ in replies.next() }) { server in
            let blobs = RemoteBlobs(client: .shared, base: server.url, repetition: .hurried(patience: patience))
            do { try await blobs.download(file, from: "/v1/blobs/1?signature=x", to: path) } catch {
                throw Refusal(failure: error as? JobFailure, asked: server.requests.count)
            }
            return server.requests.count
        }
    }

    private struct Refusal: Error {
        var failure: JobFailure?
        var asked: Int
    }

    @Test("What was cut off, spoiled, too long or not answered is fetched again until it is whole")
    func repeats() async throws {
        let folder = try TemporaryDirectory("mr-blobs")
        let path = folder.file("page")
        let replies = [
            .problem(503, code: "unavailable"), Self.cut("all the"), .hangUp, Self.whole("all the bytes of a pagE"), Self.whole(Self.text + "!"),
            Self.whole(Self.text),
        ]
        #expect(try await download(replies, to: path) == replies.count)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == Self.text)
        withExtendedLifetime(folder) {}
    }

    @Test("What is spoiled again and again, or refused, is given up, and another attempt may do better")
    func givesUp() async throws {
        let folder = try TemporaryDirectory("mr-blobs")
        for (reply, asked) in [(Self.whole("other"), 3), (.problem(403, code: "forbidden"), 1)] {
            let refusal = try await #require(throws: Refusal.self) { try await download([reply], to: folder.file("page")) }
            #expect(refusal.failure?.code == "input_unavailable" && refusal.failure?.retryable == true && refusal.asked == asked)
        }
        withExtendedLifetime(folder) {}
    }

    @Test("A server that cannot answer for a while is asked for as long as there is patience, and no longer")
    func patience() async throws {
        let folder = try TemporaryDirectory("mr-blobs")
        let away = FakeServer.Reply.problem(502, code: "unavailable")
        #expect(try await download(Array(repeating: away, count: 50) + [Self.whole(Self.text)], to: folder.file("page")) == 51)
        let refusal = try await #require(throws: Refusal.self) { try await download([away], patience: .seconds(30), to: folder.file("page")) }
        #expect((6...20).contains(refusal.asked), "waits of at most 5 s: \(refusal.asked)")
        withExtendedLifetime(folder) {}
    }

    @Test("A result is sent again until the server says that it took these bytes")
    func upload() async throws {
        func took(_ text: String) -> FakeServer.Reply { .init(status: 201, headers: [("ETag", "\"\(text.digest)\"")]) }
        let replies = Replies([.problem(503, code: "unavailable"), .hangUp, took("something else"), took(Self.text)])
        try await FakeServer.with({ _ in replies.next() }) { server in
            let blobs = RemoteBlobs(client: .shared, base: server.url, repetition: .hurried())
            let digest = try await blobs.upload(.bytes(Array(Self.text.utf8)), to: "/v1/blobs/1?signature=x")
            #expect(digest == BlobDigest(bytes: Int64(Self.text.utf8.count), sha256: Self.text.digest))
            #expect(server.requests.map(\.text) == Array(repeating: Self.text, count: 4))
        }
        try await FakeServer.with({ _ in .problem(413, code: "too_large") }) { server in
            let blobs = RemoteBlobs(client: .shared, base: server.url, repetition: .hurried())
            let failure = await #expect(throws: JobFailure.self) { try await blobs.upload(.bytes([1]), to: "/v1/blobs/1") }
            #expect(failure?.code == "too_large" && server.requests.count == 1)
        }
        try await FakeServer.with({ _ in .problem(503, code: "unavailable") }) { server in
            let blobs = RemoteBlobs(client: .shared, base: server.url, repetition: .hurried(patience: .seconds(30)))
            let failure = await #expect(throws: JobFailure.self) { try await blobs.upload(.bytes([1]), to: "/v1/blobs/1") }
            #expect(failure?.code == ErrorCode.internal.rawValue && failure?.retryable == true, "it is no input that is missing")
        }
    }
}
