import CoreMetrics
import Foundation
import HTTPTypes
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

@testable import MillraceGateway

@Suite("Status, problems and connections")
struct StatusTests {
    @Test("Health shows version, settings and counts; metrics show what waits and runs")
    func health() async throws {
        try await withGateway { gateway in
            _ = try await gateway.submit()
            _ = try await gateway.submit()
            _ = try await gateway.lease(jobsMax: 1)
            let health = try await gateway.send(.GET, "/health").json(JSONValue.self)
            #expect(health["version"] == "1.2.3" && health["settings"]?["secret"] == "(redacted)" && health["status"] == "ok")
            #expect(health["endpoints"]?["text"]?["queued"] == 1 && health["endpoints"]?["text"]?["running"] == 1)
            let metrics = try await gateway.send(.GET, "/metrics")
            #expect(metrics.headers.first(name: "content-type")?.hasPrefix("text/plain; version=0.0.4") == true)
            for line in [
                "millrace_build_info{version=\"1.2.3\"} 1", "millrace_jobs{endpoint=\"text\",state=\"ready\",variant=\"a\"} 1",
                "millrace_jobs{endpoint=\"pictures\",state=\"running\",variant=\"a\"} 0",
                "millrace_workers{endpoint=\"text\",state=\"starting\",variant=\"a\"} 1", "# TYPE millrace_jobs gauge",
            ] { #expect(metrics.text.contains(line), "\(line)\n\(metrics.text)") }
            let endpoint = try await gateway.send(.GET, "/v1/endpoints/text").json(EndpointResource.self)
            #expect(endpoint.queued == 1 && endpoint.running == 1 && endpoint.workers == 1 && endpoint.model == "sentiment")
            #expect(try await gateway.send(.GET, "/v1/endpoints").json(EndpointList.self).endpoints.map(\.name) == ["pictures", "text"])
        }
    }

    @Test("What is not there and what is not possible are problems too, with an id to ask after")
    func problems() async throws {
        try await withGateway { gateway in
            let nowhere = try await gateway.send(.GET, "/v2", ["x-request-id": "my-id.1"])
            #expect(nowhere.status == 404 && nowhere.problem?.code == "not_found" && nowhere.headers.first(name: "x-request-id") == "my-id.1")
            let bad = try await gateway.send(.GET, "/v2", ["x-request-id": "a b\"<"])
            #expect(bad.headers.first(name: "x-request-id")?.isEmpty == false && bad.headers.first(name: "x-request-id") != "a b\"<")
            let method = try await gateway.send(.DELETE, "/v1/jobs")
            #expect(method.status == 405 && method.headers.first(name: "allow") == "GET, HEAD" && method.problem?.code == "method_not_allowed")
            #expect(try await gateway.send(.HEAD, "/v1/jobs").status == 200)
            #expect(try await gateway.send(.GET, "/v1/worker/lease").status == 405)
        }
    }

    @Test("An error inside shows nothing of itself")
    func internals() throws {
        struct Secret: Error { let password = "hunter2" }
        let problem = Problem(describing: Secret())
        #expect(problem.status.code == 500 && problem.error.code == .internal)
        #expect(!String(decoding: try MillraceJSON.encode(problem.details), as: UTF8.self).contains("hunter2"))
    }

    @Test("Every code of a client's mistake has its status")
    func statuses() {
        let expected: [(ErrorCode, Int)] = [
            (.malformedRequest, 400), (.unauthorized, 401), (.forbidden, 403), (.jobUnknown, 404), (.methodNotAllowed, 405),
            (.resultNotReady, 409), (.stateConflict, 409), (.tooLarge, 413), (.unsupportedMediaType, 415), (.rangeNotSatisfiable, 416),
            (.emptyFile, 422), (.idempotencyConflict, 422), (.callbackRefused, 422), (.unavailable, 503), (.storageFull, 507), (.internal, 500),
        ]
        for (code, status) in expected { #expect(code.status.code == status, "\(code)") }
    }

    /// Says something on a bare connection and gives what comes back until the other side closes.
    private func talk(to gateway: Harness, _ send: [String], endless: Bool = false) async throws -> String {
        let port = try await gateway.gateway.port()
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel) }
            }
        return try await channel.executeThenClose { inbound, outbound in
            for part in send { try await outbound.write(ByteBuffer(string: part)) }
            var text = ""
            for try await piece in inbound { text += String(buffer: piece) }
            return text
        }
    }

    /// What comes before the gateway closes the connection, which it may do before this side has written all.
    private func talkUntilClosed(to gateway: Harness, _ send: [String]) async throws -> String {
        do {
            return try await talk(to: gateway, send)
        } catch where error is ChannelError || error is IOError {
            return ""
        }
    }

    @Test("A request that is too large is answered before it is read, and its connection is closed")
    func early() async throws {
        try await withGateway { gateway in
            let head = "POST /v1/endpoints/pictures/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 99000000\r\n\r\n"
            let answer = try await talk(to: gateway, [head])
            #expect(answer.hasPrefix("HTTP/1.1 413") && answer.contains("Connection: close") && answer.contains("too_large"), "\(answer)")
        }
    }

    @Test(
        "An upload whose connection breaks makes no job",
        arguments: [
            "content-type: image/png\r\ncontent-length: 1000000", "content-type: image/png\r\ntransfer-encoding: chunked",
        ])
    func broken(headers: String) async throws {
        try await withGateway { gateway in
            let png = String(decoding: Samples.png().map { $0 & 0x7F }, as: UTF8.self)
            let port = try await gateway.gateway.port()
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connect(host: "127.0.0.1", port: port) {
                $0.eventLoop.makeSucceededFuture($0)
            }
            // More than is kept in memory before the blob's file is opened.
            let much = png + String(repeating: "x", count: 400_000)
            let start = headers.contains("chunked") ? "80000\r\nGIF89a\(much)" : "GIF89a\(much)"
            try await channel.writeAndFlush(ByteBuffer(string: "POST /v1/endpoints/pictures/jobs HTTP/1.1\r\nhost: x\r\n\(headers)\r\n\r\n\(start)"))
            try await eventually { gateway.blobs.state.withLock { $0.writersBegun } == 1 }
            try await channel.close()
            try await eventually { gateway.blobs.state.withLock { $0.abandoned.count + $0.blobs.count } == 1 }
            #expect(gateway.blobs.state.withLock { $0.abandoned.count } == 1)
            #expect(try await gateway.store.jobs(matching: JobFilter(), after: nil, limit: 1).isEmpty)
        }
    }

    @Test("A body that is no HTTP is the client's mistake")
    func badChunk() async throws {
        try await withGateway { gateway in
            let head = "POST /v1/endpoints/text/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
            let answer = try await talk(to: gateway, [head, "2\r\nhi\r\nZZ\r\n"])
            #expect(answer.hasPrefix("HTTP/1.1 400") && answer.contains("malformed_request"), "\(answer)")
            #expect(gateway.blobs.state.withLock { $0.blobs.isEmpty })
        }
        for error in [HTTPParserError.invalidEOFState, ChannelError.inputClosed, IOError(errnoCode: ECONNRESET, reason: "read")] as [any Error] {
            #expect(Problem(describing: error).status == .badRequest)
        }
    }

    @Test("A connection on which nothing comes is closed, and so is one too many")
    func silentConnections() async throws {
        try await withGateway({ $0.firstRequestTimeout = .milliseconds(50) }) { gateway in
            let (nothing, half) = (try await talkUntilClosed(to: gateway, []), try await talkUntilClosed(to: gateway, ["GET /healthz HT"]))
            #expect(nothing.isEmpty && half.isEmpty)
        }
        try await withGateway({ $0.connectionsMax = 0 }) { gateway in
            let refused = try await talkUntilClosed(to: gateway, [])
            #expect(refused.isEmpty)
        }
        let room = ConnectionRoom(1)
        #expect(room.enter() && !room.enter() && !room.enter())
        room.leave()
        #expect(room.enter())
    }

    @Test(
        "A query that says nothing to its address is refused",
        arguments: ["/?a", "/healthz?a=1", "/readyz?a", "/health?a=1", "/metrics?a=1", "/v1/endpoints?a=1", "/v1/endpoints/text?a", "/v1/workers?limit=1", "/v1/jobs?state=", "/v1/jobs?state=,"])
    func queries(path: String) async throws {
        try await withGateway { gateway in
            let answer = try await gateway.send(.GET, path)
            #expect(answer.problem?.code == "malformed_request")
        }
    }

    @Test("A client that waits for 100 Continue gets it")
    func expectContinue() async throws {
        try await withGateway { gateway in
            let body = #"{"input":1}"#
            let head = "POST /v1/endpoints/text/jobs HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: \(body.count)\r\n\r\n"
            let answer = try await talk(to: gateway, [head, body])
            #expect(answer.hasPrefix("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202"), "\(answer)")
        }
    }

    @Test("Metrics are written as Prometheus reads them, within bounds")
    func prometheus() {
        let metrics = PrometheusMetrics(help: ["requests_total": "How many\nrequests."])
        metrics.makeCounter(label: "requests", dimensions: [("path", "a\"b\\c\nd")]).increment(by: 2)
        metrics.makeTimer(label: "work.time", dimensions: []).recordNanoseconds(30_000_000)
        metrics.makeMeter(label: "depth", dimensions: []).set(1.5)
        metrics.makeRecorder(label: "size", dimensions: [], aggregate: true).record(Int64(3))
        for index in 0..<600 { metrics.makeCounter(label: "many", dimensions: [("id", "\(index)")]).increment(by: 1) }
        let text = metrics.exposition()
        for line in [
            "# HELP requests_total How many\\nrequests.", "# TYPE requests_total counter", "requests_total{path=\"a\\\"b\\\\c\\nd\"} 2",
            "# TYPE work_time_seconds histogram", "work_time_seconds_bucket{le=\"0.025\"} 0", "work_time_seconds_bucket{le=\"0.05\"} 1",
            "work_time_seconds_bucket{le=\"+Inf\"} 1", "work_time_seconds_sum 0.03", "work_time_seconds_count 1", "depth 1.5",
            "size_bucket{le=\"4\"} 1", "many_total{overflow=\"true\"} 100",
        ] { #expect(text.contains(line + "\n"), "\(line)") }
        #expect(text.components(separatedBy: "many_total{").count - 1 == 501)
    }
}
