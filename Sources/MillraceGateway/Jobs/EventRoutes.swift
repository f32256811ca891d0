import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceQueue
import NIOCore

/// `GET /v1/jobs/{id}/events`: what happens to a job, as server-sent events (HTML standard, 9.2).
///
/// The stream goes on where `Last-Event-ID` says and ends after the final state. A client that comes again after that is told
/// with `204` to stay away, as the standard has it.
struct EventRoutes: Sendable {
    let queue: JobQueue
    let jobs: JobRoutes
    let surroundings: Surroundings
    let heartbeat: Duration

    func add(to doors: inout Doors) {
        doors.get("/v1/jobs/:job/events") { try await follow($0, $1) }
    }

    private func follow(_ request: Request, _ context: GatewayContext) async throws -> Response {
        let query = try QueryItems(request)
        try query.allow(only: "after")
        // A browser that has seen no event may send an empty id.
        let last = query["after"] ?? request.headers[.lastEventID].flatMap { $0.isEmpty ? nil : $0 }
        guard let after = last.map({ Int64($0) }) ?? 0 else {
            throw MillraceError(.malformedRequest, "the last event's id must be a number, as the stream gave it")
        }
        let job = try await jobs.job(context)
        if job.state.isFinal, try await queue.events(of: job.id, after: after, limit: 1).isEmpty {
            return Response(status: .noContent)
        }
        let headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-store", .init("X-Accel-Buffering")!: "no"]
        return Response(
            status: .ok, headers: headers,
            body: .init { writer in
                try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
                try await write(eventsOf: job.id, after: after, to: &writer, context)
                try await writer.finish(nil)
            })
    }

    private enum Page: Sendable {
        case events([JobEvent], isLast: Bool)
        case silence
    }

    private func write(
        eventsOf job: JobID, after: Int64, to writer: inout any ResponseBodyWriter, _ context: GatewayContext
    ) async throws {
        var after = after
        while true {
            let seen = after
            guard let page = try await context.waiting({ try await nextPage(of: job, after: seen) }) else { return }
            switch page {
            case .silence:
                try await writer.write(ByteBuffer(string: ": still here\n\n"))
            case .events(let events, let isLast):
                if let last = events.last { after = last.sequence }
                if !events.isEmpty { try await writer.write(ByteBuffer(string: try events.map { try $0.serverSent }.joined())) }
                if isLast { return }
            }
        }
    }

    /// The events that are there, or those that come within a heartbeat.
    private func nextPage(of id: JobID, after: Int64) async throws -> Page {
        // Subscribed before reading: what comes between the two is not missed.
        let hints = queue.changes.hints(.job(id))
        for attempt in 0..<2 {
            // The state is read before the events: when it is final, the events after it are all there.
            let isOver = try await queue.job(id)?.state.isFinal ?? true
            let events = try await queue.events(of: id, after: after, limit: Self.pageMax)
            if !events.isEmpty || isOver { return .events(events, isLast: isOver && events.count < Self.pageMax) }
            guard attempt == 0 else { break }
            try await StoreChanges.wait(for: hints, atMost: heartbeat, in: surroundings)
        }
        return .silence
    }

    private static let pageMax = 100
}

extension JobEvent {
    /// `id`, `event` and `data`; the data is the detail's own fields and `at`.
    var serverSent: String {
        get throws {
            let (name, detail): (String, any Encodable) =
                switch self.detail {
                case .state(let change): ("state", change)
                case .progress(let progress): ("progress", progress)
                case .log(let line): ("log", line)
                }
            var fields = try MillraceJSON.decode([String: JSONValue].self, from: try MillraceJSON.encode(detail))
            fields["at"] = .string(at.description)
            return "id: \(sequence)\nevent: \(name)\ndata: \(try MillraceJSON.string(fields))\n\n"
        }
    }
}
