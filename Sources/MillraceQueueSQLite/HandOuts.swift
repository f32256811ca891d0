import GRDB
import MillraceCore
import MillraceQueue

/// What one transaction gives to workers that wait. Lives on the writer's queue only.
///
/// A job that comes while a worker waits for it is durable and leased by one sync. When nothing else is queued it goes straight
/// there (``WriteStep/waiter(for:)``): its row is written once, as running, and not queued first and found again.
final class HandOuts {
    struct HandOut {
        let parked: ParkedLease
        var rows: [JobRow]
        /// What the inline inputs of further jobs may have.
        var bytesLeft = WriteStep.inputBytesMax

        var hasRoom: Bool { rows.count < parked.demand.jobsMax && bytesLeft > 0 }
    }

    let parked: ParkedLeases
    private(set) var given: [HandOut] = []

    init(_ parked: ParkedLeases) {
        self.parked = parked
    }

    func add(_ parked: ParkedLease, _ rows: [JobRow]) {
        given.append(HandOut(parked: parked, rows: rows))
    }

    func add(_ row: JobRow, to index: Int) {
        given[index].rows.append(row)
        given[index].bytesLeft -= row.input?.utf8.count ?? 0
    }

    /// The savepoint in which the later ones were given was undone.
    func rollBack(to mark: [HandOut]) {
        for undone in given.dropFirst(mark.count).reversed() { parked.put(back: undone.parked) }
        given = mark
    }
}

extension WriteStep {
    /// Who takes a new job at once: a worker that waits, while no other job of the variant does. The number of its hand-out.
    ///
    /// `nil`: the job must be queued, since others came before it, or a limit of running jobs must be looked at.
    func waiter(for job: Job) throws -> Int? {
        let now = now
        guard job.isDue(at: now), !ledger.hasQueued else { return nil }
        let isForIt = { (demand: LeaseDemand) in demand.endpoint == job.endpoint && demand.variant == job.variant }
        if let index = handOuts.given.lastIndex(where: { isForIt($0.parked.demand) && $0.hasRoom }) {
            return try mayStart(handOuts.given[index].parked.demand, at: now) ? index : nil
        }
        guard let waiting = handOuts.parked.next(where: { isForIt($0) && !$0.quotas.limitRunning }) else { return nil }
        var isTaken = false
        defer { if !isTaken { handOuts.parked.put(back: waiting) } }
        guard waiting.demand.held == nil, try mayStart(waiting.demand, at: now) else { return nil }
        isTaken = true
        handOuts.add(waiting, [])
        ledger.lent(to: waiting.demand, at: now)
        return handOuts.given.count - 1
    }

    /// Whether the worker may be given jobs now, its endpoint gives any out, and none of the variant waits already.
    private func mayStart(_ demand: LeaseDemand, at now: Timestamp) throws -> Bool {
        guard let worker = try leasingWorker(demand.worker), !demand.isOvertaken(by: worker.lastRequest), worker.mayLease(demand, at: now),
            try mode(of: demand.endpoint) != .paused
        else { return false }
        return try waitingLanes(demand, at: now).isEmpty
    }
}
