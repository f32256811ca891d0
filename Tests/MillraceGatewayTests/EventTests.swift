import AsyncHTTPClient
import Foundation
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOCore
import NIOHTTP1
import ServiceLifecycle
import Testing

@testable import MillraceGateway

@Suite("Event streams")
struct EventTests {
    struct Event: Equatable {
        var id: Int64
        var name: String
        var data: [String: JSONValue]
    }

    static func events(in text: String) throws -> [Event] {
        try text.components(separatedBy: "\n\n").compactMap { block in
            var fields: [String: String] = [:]
            for line in block.split(separator: "\n") where !line.hasPrefix(":") {
                let parts = line.split(separator: ":", maxSplits: 1)
                fields[String(parts[0])] = String(parts[1].dropFirst())
            }
            guard let id = fields["id"].flatMap({ Int64($0) }), let name = fields["event"], let data = fields["data"] else { return nil }
            return Event(id: id, name: name, data: try MillraceJSON.decode([String: JSONValue].self, from: data))
        }
    }

    @Test("Events come as they happen, with their time in flat JSON, and the stream ends after the final state")
    func follow() async throws {
        try await withGateway { gateway in
            let id = try await gateway.submit().json(JobResource.self).id
            async let stream = gateway.send(.GET, "/v1/jobs/\(id)/events", ["accept": "text/event-stream"])
            let job = try await gateway.lease()[0]
            _ = try await gateway.queue.renew([
                LeaseRenewal(
                    job: id, token: job.lease!.token, duration: .seconds(15), progress: JobProgress(done: 3, total: 4, unit: "pages"),
                    logs: [LogLine(level: .warning, message: "line\nbreak")])
            ])
            try await gateway.succeed(job)
            let answer = try await stream
            #expect(answer.status == 200 && answer.headers.first(name: "content-type") == "text/event-stream")
            let events = try Self.events(in: answer.text)
            #expect(events.map(\.name) == ["state", "state", "log", "progress", "state"])
            #expect(events.map(\.id) == events.map(\.id).sorted())
            #expect(events[1].data["state"] == "running" && events[1].data["reason"] == "leased" && events[1].data["attempt"] == 1)
            #expect(events[2].data["message"] == "line\nbreak" && events[2].data["level"] == "warning")
            #expect(events[3].data["done"] == 3 && events[3].data["unit"] == "pages")
            #expect(events.allSatisfy { $0.data["at"]?.stringValue.flatMap { Timestamp($0) } != nil })
        }
    }

    @Test("A stream goes on after the last event that was seen; after the end there is nothing more to come for")
    func resume() async throws {
        try await withGateway { gateway in
            let id = try await gateway.submit().json(JobResource.self).id
            try await gateway.succeed(try await gateway.lease()[0])
            let all = try Self.events(in: try await gateway.send(.GET, "/v1/jobs/\(id)/events").text)
            #expect(all.count == 3)
            let rest = try await gateway.send(.GET, "/v1/jobs/\(id)/events", ["last-event-id": "\(all[0].id)"])
            #expect(try Self.events(in: rest.text) == Array(all[1...]))
            #expect(try Self.events(in: try await gateway.send(.GET, "/v1/jobs/\(id)/events?after=\(all[1].id)").text) == [all[2]])
            #expect(try await gateway.send(.GET, "/v1/jobs/\(id)/events?after=\(all[2].id)").status == 204)
            #expect(try await gateway.send(.GET, "/v1/jobs/\(id)/events?after=x").status == 400)
            let fresh = try await gateway.send(.GET, "/v1/jobs/\(id)/events", ["last-event-id": ""])
            #expect(try Self.events(in: fresh.text) == all)
        }
    }

    @Test("A silent stream says that it lives")
    func heartbeat() async throws {
        try await withGateway({ $0.eventHeartbeat = .milliseconds(20) }) { gateway in
            let id = try await gateway.submit().json(JobResource.self).id
            let response = try await HTTPClient.shared.execute(
                HTTPClientRequest(url: "\(gateway.address)/v1/jobs/\(id)/events"), timeout: .seconds(20))
            var text = ""
            for try await piece in response.body {
                text += String(buffer: piece)
                if text.components(separatedBy: ": still here").count > 3 { break }
            }
            #expect(try Self.events(in: text).count == 1)
        }
    }

    @Test("When the gateway stops, streams and waits end at once")
    func shutdown() async throws {
        let sleepers = Sleepers()
        try await withGateway(surroundings: sleepers.surroundings) { gateway in
            let id = try await gateway.submit().json(JobResource.self).id
            async let stream = gateway.send(.GET, "/v1/jobs/\(id)/events")
            async let wait = gateway.send(.GET, "/v1/jobs/\(id)?wait=60")
            let worker: WorkerID = gateway.surroundings.makeID()
            let registered = try await gateway.tell("/v1/worker/register", RegisterRequest.fixture(worker, endpoint: "pictures"))
            #expect(registered.status == 200)
            async let lease = gateway.tell("/v1/worker/lease", LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 60, held: []))
            // The stream waits for its heartbeat, the two others until they look again.
            try await eventually { sleepers.count(of: .seconds(15)) == 1 && sleepers.count(of: .seconds(1)) == 2 }
            await gateway.group.triggerGracefulShutdown()
            #expect(try await Self.events(in: stream.text).count == 1)
            #expect(try await wait.json(JobResource.self).state == .queued)
            #expect(try await lease.json(LeaseResponse.self).jobs.isEmpty)
        }
    }
}

extension RegisterRequest {
    static func fixture(_ worker: WorkerID, endpoint: String = "text") -> RegisterRequest {
        RegisterRequest(
            worker: worker, endpoint: endpoint, variant: "a", instance: "local:1", host: "here", processID: 1,
            startedAt: Timestamp(milliseconds: 1_767_225_600_000))
    }
}
