import MillraceCloud
import MillraceCore

/// Workers beside the server and on joined machines, as one fleet: what an endpoint may have there goes to joined machines
/// first, and what finds no room there runs here.
struct CombinedFleet: Fleet {
    let local: any Fleet
    let joined: any Fleet
    let choices: [String: FleetChoice]

    func reconcile(_ target: FleetTarget) async throws {
        let choice = choices[target.endpoint] ?? .any
        let here = try await staying(in: local, target)
        // Those of the other kind that are there, because the choice has changed, count and are let go by the policy.
        var problem: FleetProblem?
        do { try await joined.reconcile(target.wanting(choice == .local ? 0 : target.desired - here)) } catch let error as FleetProblem { problem = error }
        let there = try await staying(in: joined, target)
        try await local.reconcile(target.wanting(choice == .joined ? 0 : target.desired - there))
        // What finds no room there runs here, unless it may not.
        if choice == .joined, let problem { throw problem }
    }

    private func staying(in fleet: any Fleet, _ target: FleetTarget) async throws -> Int {
        try await fleet.instances().count {
            $0.endpoint == target.endpoint && $0.variant == target.variant && !target.retire.contains($0.id)
        }
    }

    func instances() async throws -> [FleetInstance] {
        try await local.instances() + joined.instances()
    }

    func interruptions() -> AsyncStream<FleetInterruption> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1024)) { continuation in
            // Unstructured: it lives as long as somebody reads the stream.
            let task = Task {
                await withDiscardingTaskGroup { group in
                    for fleet in [local, joined] {
                        group.addTask { for await interruption in fleet.interruptions() { continuation.yield(interruption) } }
                    }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}

extension FleetTarget {
    fileprivate func wanting(_ desired: Int) -> FleetTarget {
        var target = self
        target.desired = max(0, desired)
        return target
    }
}
