import Foundation
import MillraceCore
import MillraceFakeServer
import MillraceWire
import Synchronization
import Testing

@testable import MillraceClient

@Suite("The client", .timeLimit(.minutes(1)))
struct MillraceClientTests {
    /// Time does not pass for a client under test, it is only noted.
    static let surroundings = Surroundings(
        now: { SampleJob.createdAt }, sleep: { _ in try Task.checkCancellation() }, random: Surroundings.system.random)

    func client(_ server: FakeServer, key: String? = "k-1") -> MillraceClient {
        MillraceClient(baseURL: server.url + "/", apiKey: key, surroundings: Self.surroundings)
    }

    @Test("hands in JSON with key and idempotency key")
    func submitJSON() async throws {
        let reply = FakeServer.Reply.json(SampleJob.json(), status: 202)
        try await FakeServer.with({ _ in reply }) { server in
            let job = try await client(server).submit(
                .init(input: ["text": "hi"], parameters: ["topK": 3], priority: 7, callback: "https://e.x/", timeToLive: .seconds(9)),
                to: "senti ment", wait: .seconds(5))
            #expect(job.id == SampleJob.id && job.state == .queued)
            let request = try #require(server.requests.first)
            #expect(request.method == "POST" && request.path == "/v1/endpoints/senti%20ment/jobs")
            #expect(request["Authorization"] == "Bearer k-1" && request["Prefer"] == "wait=5")
            #expect(request["Idempotency-Key"]?.count == 36)
            #expect(
                request.text
                    == #"{"callback":"https://e.x/","input":{"text":"hi"},"parameters":{"topK":3},"priority":7,"timeToLiveSeconds":9}"#)
        }
    }

    @Test("streams files as a form, and tells how far it is")
    func submitFiles() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "mc-\(UInt32.random(in: 0 ... .max)).bin").path
        let content = Data((0..<700_000).map { UInt8(truncatingIfNeeded: $0) })
        try content.write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let heard = Mutex<[UploadProgress]>([])
        let reply = FakeServer.Reply.json(SampleJob.json(), status: 202)
        try await FakeServer.with({ _ in reply }) { server in
            _ = try await client(server).submit(
                .init(files: [.init(path: path, filename: "a\"b\n.pdf"), .init(path: path)], parameters: ["language": "en"]), to: "ocr"
            ) { progress in heard.withLock { $0.append(progress) } }
            let request = try #require(server.requests.first)
            #expect(request["Content-Length"] == "\(request.body.count)")
            let text = String(decoding: request.body.prefix(600), as: UTF8.self)
            #expect(text.contains("name=\"parameters\"\r\n\r\n{\"language\":\"en\"}\r\n--"))
            #expect(text.contains("name=\"file\"; filename=\"a%22b%0A.pdf\"\r\n"))
            #expect(request.body.count > 1_400_000)
            #expect(Data(request.body).range(of: content) != nil)
            let sent = heard.withLock { $0 }
            #expect(sent.last == UploadProgress(sent: Int64(request.body.count), total: Int64(request.body.count)))
            #expect(zip(sent, sent.dropFirst()).allSatisfy { $0.sent < $1.sent })
        }
    }

    @Test("hands in again after a lost answer, with the same key")
    func retried() async throws {
        let tries = Atomic(0)
        let reply: FakeServer.Answer = { _ in
            tries.wrappingAdd(1, ordering: .relaxed).newValue < 3 ? .hangUp : .json(SampleJob.json(), status: 202)
        }
        try await FakeServer.with(reply) { server in
            _ = try await client(server).submit(.init(input: 1), to: "e")
            let keys = server.requests.map { $0["Idempotency-Key"] }
            #expect(keys.count == 3 && Set(keys).count == 1)
            #expect(Set(server.requests.map(\.text)).count == 1)
        }
    }

    @Test("does not repeat what a second arrival would make wrong")
    func unrepeatable() async throws {
        try await FakeServer.with({ _ in .hangUp }) { server in
            await #expect(throws: MillraceClientError.self) { _ = try await client(server).retry(SampleJob.id) }
            #expect(server.requests.count == 1)
        }
    }

    @Test("throws what the server says")
    func problems() async throws {
        try await FakeServer.with({ _ in .problem(404, code: "job_unknown", detail: "there is no such job", hint: "look") }) { server in
            let problem = try await #require(throws: ProblemDetails.self) { _ = try await client(server).job(SampleJob.id) }
            #expect(problem.status == 404 && problem.code == "job_unknown" && problem.hint == "look")
        }
        try await FakeServer.with({ _ in .bytes("<html>\nhello", type: "text/html") }) { server in
            await #expect(throws: MillraceClientError.self) { _ = try await client(server).endpoints() }
        }
    }

    @Test("says where nobody answers and what to do")
    func unreachable() async throws {
        let client = MillraceClient(baseURL: "http://127.0.0.1:1")
        let error = try await #require(throws: MillraceClientError.self) { _ = try await client.job(SampleJob.id) }
        #expect(
            "\(error)" == """
                cannot reach Millrace at http://127.0.0.1:1 (connection refused); is it running? start it with `millrace serve`
                """)
        for address in ["nonsense", "ftp://x", "http:"] {
            let error = try await #require(throws: MillraceClientError.self) { _ = try await MillraceClient(baseURL: address).workers() }
            #expect(error == .invalidServer(address))
        }
    }

    @Test("names a file that cannot be sent before it asks the server anything")
    func missingFile() async throws {
        let client = MillraceClient(baseURL: "http://127.0.0.1:1")
        await #expect(throws: MillraceClientError.file(path: "/no/such.pdf", reason: "no such file or directory")) {
            _ = try await client.submit(.init(files: ["/no/such.pdf"]), to: "ocr")
        }
        await #expect(throws: MillraceClientError.file(path: "/tmp", reason: "is a directory")) {
            _ = try await client.submit(.init(files: ["/tmp"]), to: "ocr")
        }
    }

    @Test("waits in several requests until the job has ended")
    func waits() async throws {
        let asked = Atomic(0)
        let reply: FakeServer.Answer = { _ in
            .json(SampleJob.json(asked.wrappingAdd(1, ordering: .relaxed).newValue < 3 ? .running : .succeeded))
        }
        try await FakeServer.with(reply) { server in
            let job = try await client(server).wait(for: SampleJob.id)
            #expect(job.state == .succeeded)
            #expect(server.requests.map(\.path) == Array(repeating: "/v1/jobs/\(SampleJob.id)?wait=20", count: 3))
        }
    }

    @Test("lists with a filter")
    func lists() async throws {
        try await FakeServer.with({ _ in .json(#"{"jobs":[\#(SampleJob.json())],"nextCursor":"abc"}"#) }) { server in
            let list = try await client(server).jobs(endpoint: "a&b", states: [.failed, .expired], limit: 5, cursor: "x")
            #expect(list.jobs.count == 1 && list.nextCursor == "abc")
            #expect(server.requests[0].path == "/v1/jobs?endpoint=a%26b&state=failed%2Cexpired&limit=5&cursor=x")
        }
    }

    @Test("takes one component of a path from a file name, whatever combines with its slashes and quotes", arguments: [
        ("../../x.json", "x.json"), ("..", nil), ("a/\u{301}../\u{301}b", "\u{301}b"), ("x\"\u{301}; a=\"/y", "x"), ("e\u{301}.png", "e\u{301}.png"),
    ] as [(String, String?)])
    func filenames(written: String, taken: String?) {
        let filename = JobResult.filename("attachment; filename=\"\(written)\"")
        #expect(filename.map { Array($0.utf8) } == taken.map { Array($0.utf8) })
    }

    @Test("writes a result to a file, in full or not at all")
    func results() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "mr-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appending(path: "out.json").path
        let disposition = [("Content-Disposition", "attachment; filename=\"../../x.json\"")]
        try await FakeServer.with({ _ in .bytes("hello", type: "application/json", headers: disposition) }) { server in
            let result = try await client(server).result(of: SampleJob.id, name: "a/b")
            #expect(result.filename == "x.json" && result.mediaType == "application/json" && result.bytesTotal == 5)
            #expect(try await result.write(to: path) == 5)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "hello")
            #expect(server.requests[0].path == "/v1/jobs/\(SampleJob.id)/result/a%2Fb")
            await #expect(throws: ProblemDetails.self) { _ = try await client(server).result(of: SampleJob.id).bytes(atMost: 4) }
        }
        var broken = FakeServer.Reply.bytes("hel", type: "text/plain")
        broken.breaksOff = true
        let reply = broken
        try await FakeServer.with({ _ in reply }) { server in
            let result = try await client(server).result(of: SampleJob.id)
            await #expect(throws: MillraceClientError.self) { try await result.write(to: path) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["out.json"])
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "hello")
        }
    }
}
