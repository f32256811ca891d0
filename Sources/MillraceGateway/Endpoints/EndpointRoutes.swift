import HTTPTypes
import Hummingbird
import Logging
import MillraceCore
import MillraceQueue
import MillraceWire

/// What the endpoints are and do, and how an operator stops and opens them.
struct EndpointRoutes: Sendable {
    let queue: JobQueue
    let directory: EndpointDirectory
    let overview: Overview

    static let bodyBytesMax = 16 << 10
    static let reasonCharactersMax = 500

    func add(to doors: inout Doors) {
        doors.get("/v1/endpoints") { request, _ in
            try QueryItems(request).allow()
            return try .json(EndpointList(endpoints: try await overview.endpoints()))
        }
        doors.get("/v1/endpoints/:endpoint") { request, context in
            try QueryItems(request).allow()
            return try .json(try await overview.endpoint(named: try context.parameters.require("endpoint")))
        }
        doors.post("/v1/endpoints/:endpoint/pause") { try await set(.paused, $0, $1) }
        doors.post("/v1/endpoints/:endpoint/resume") { try await set(.open, $0, $1) }
        doors.post("/v1/endpoints/:endpoint/drain") { try await set(.draining, $0, $1) }
    }

    private func set(_ mode: EndpointMode, _ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let endpoint = try directory.endpoint(named: try context.parameters.require("endpoint"))
        let body = try await request.bytes(atMost: Self.bodyBytesMax)
        let asked: EndpointModeRequest = body.isEmpty ? EndpointModeRequest() : try Request.json(body, fields: ["reason"])
        let reason = asked.reason.flatMap { $0.isEmpty ? nil : $0 }
        guard reason?.count ?? 0 <= Self.reasonCharactersMax else {
            throw MillraceError(.malformedRequest, "\"reason\" has more than \(Self.reasonCharactersMax) characters")
        }
        try await queue.setMode(mode, of: endpoint.name, reason: reason)
        context.logger.notice("endpoint mode set", metadata: ["endpoint": "\(endpoint.name)", "mode": "\(mode)", "reason": "\(reason ?? "")"])
        return try .json(try await overview.endpoint(named: endpoint.name))
    }
}
