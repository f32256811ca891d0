import MillraceCore

// What nobody in the deployment can know, but the simulation does.
extension Auditor {
    /// Whether a living worker holds this lease, by its own lights.
    func isHeld(_ token: LeaseToken, by worker: WorkerID) -> Bool {
        world.workers.contains { $0.id == worker && $0.isUp && $0.held.contains { $0.token == token && $0.stop != .lost } }
    }

    /// Whether a lease had really run out when it was taken back, and nobody was kept from renewing it.
    func expectRunOut(_ known: AuditedJob, by asker: Party) throws {
        let id = known.job.id
        guard let lease = known.job.lease, lease.expiresAt <= now else {
            throw Violation(.lease, id, "its lease was taken back before it had run out")
        }
        let steps = clockSteps.filter { $0.at >= known.renewedAt }
        let early = steps.reduce(0) { $0 + max($1.size, 0) }
        if let step = steps.last(where: { $0.size > Timing.lease }), world.now < step.at + Timing.lease {
            throw Violation(.lease, id, "its lease was taken back within a lease of a step of the clock")
        }
        guard world.now - known.renewedAt + early >= Timing.lease else {
            throw Violation(.lease, id, "its lease was taken back \(world.now - known.renewedAt) ms after its last heartbeat")
        }
        // A step back may hide an outage from the rescuer, but makes leases longer by its size.
        guard !clockSteps.contains(where: { $0.at > world.now - 4 * Timing.lease }) else { return }
        if let end = world.host.lastOutageEnd, end <= world.now, world.now < end + Timing.lease {
            throw Violation(.lease, id, "its lease was taken back \(world.now - end) ms after an outage of the store")
        }
        if let end = lastAbsenceOfAll, world.now < end + Timing.lease {
            throw Violation(.lease, id, "its lease was taken back \(world.now - end) ms after an outage of all gateways")
        }
    }

    /// When the last time ended in which no gateway was there for longer than a lease.
    private var lastAbsenceOfAll: Int64? {
        var common = world.gateways.first?.absences ?? []
        for gateway in world.gateways.dropFirst() {
            common = common.flatMap { one in
                gateway.absences.compactMap { $0.overlaps(one) ? one.clamped(to: $0) : nil }
            }
        }
        return common.filter { $0.upperBound - $0.lowerBound > Timing.lease && $0.upperBound <= world.now }.map(\.upperBound).max()
    }
}
