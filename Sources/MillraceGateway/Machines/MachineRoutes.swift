import Hummingbird
import Logging
import MillraceCore
import MillraceWire

/// `POST /v1/worker/machine`: how the agents of joined machines say what runs there and hear what ought to.
struct MachineRoutes: Sendable {
    /// A report is answered within so long, so that silence soon means something.
    private static let waitMax: Duration = .seconds(10)

    let fleet: JoinedFleet
    let endpoints: EndpointDirectory
    let bytesMax: Int

    func add(to doors: inout Doors) {
        doors.post("/v1/worker/machine", .worker) { try await take($0, $1) }
    }

    private func take(_ request: Request, _ context: GatewayContext) async throws -> Response {
        guard let access = context.principal.worker else {
            throw MillraceError(.forbidden, "workers of this machine are the server's own business", hint: "join through the server's address, with a worker key")
        }
        let report = try await request.json(MachineReport.self, bytesMax: bytesMax)
        guard MachineReport.isName(report.machine), (1...64).contains(report.run.utf8.count), report.ended.count <= 1024, (0...4096).contains(report.slots.cpu), report.slots.gpus.count <= 256, report.workers.count <= 4096,
            report.waitSeconds.isFinite, report.waitSeconds >= 0
        else { throw MillraceError(.malformedRequest, "this is no report of a machine") }
        try await fleet.hear(report, from: access)
        let wait = min(.milliseconds(Int64(min(report.waitSeconds, 60) * 1000)), Self.waitMax)
        guard var orders = try await context.waiting({ [fleet] in try await fleet.orders(after: report, atMost: wait) }) else {
            if try await context.hasHungUp() { return Response(status: .noContent) }
            // No orders are not the order to stop everything.
            throw MillraceError(.unavailable, "the gateway is stopping")
        }
        let notes = notes(on: report, access)
        orders.notes = notes.isEmpty ? nil : notes
        return try .json(orders)
    }

    /// The endpoints that the machine's owner named and that it will never serve, with the reason.
    private func notes(on report: MachineReport, _ access: WorkerAccess) -> [String] {
        (report.endpoints ?? []).prefix(64).compactMap { name in
            do {
                try access.check(name)
                _ = try endpoints.endpoint(named: name)
                return nil
            } catch {
                guard let error = error as? MillraceError else { return "\(error)" }
                return [error.message, error.hint].compactMap(\.self).joined(separator: "; ")
            }
        }
    }
}
