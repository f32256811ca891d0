import MillraceCore
import MillraceQueue

// Taking jobs: looking, and waiting for them.
extension SQLiteStore {
    public func lease(_ demand: LeaseDemand) async throws -> [Job] {
        let rows = try await write(.look) { try $0.lease(demand) ?? [] }
        return try rows.map { try $0.leasedJob() }
    }

    public func lease(_ demand: LeaseDemand, waiting limit: Duration) async throws -> [Job] {
        var demand = demand
        var left = limit
        while true {
            // What the worker knew when it asked says nothing about what a later request was given.
            let parking = ParkedLease(demand.waitingOn)
            let rows = try await look(demand, parking, waits: left > .zero)
            guard rows.isEmpty, left > .zero else { return try rows.map { try $0.leasedJob() } }
            let slice = min(left, Self.lookInterval)
            let start = surroundings.now()
            let given = try await wait(parking, atMost: slice)
            guard given.isEmpty else { return try given.map { try $0.leasedJob() } }
            demand = demand.waitingOn
            left -= min(max(surroundings.now().since(start), .milliseconds(1)), slice)
        }
    }

    /// Looks, and lets the worker wait when nothing is due. Nobody is left waiting whose look failed or found something.
    private func look(_ demand: LeaseDemand, _ parking: ParkedLease, waits: Bool) async throws -> [JobRow] {
        do {
            let rows = try await write(.look) { [parked] step in
                guard let rows = try step.lease(demand) else { return [JobRow]() }
                if rows.isEmpty, waits, let worker = try step.leasingWorker(demand.worker) { parked.park(parking, idleSince: worker.idleSince) }
                return rows
            }
            if !rows.isEmpty { leave(parking) }
            return rows
        } catch {
            leave(parking)
            throw error
        }
    }

    /// What a transaction that was undone has parked. Jobs that are handed to it afterwards are given back by the writer.
    private func leave(_ parking: ParkedLease) {
        parked.remove(parking)
        parking.end(with: [])
    }

    /// How long a worker waits before it looks by itself: what was scheduled becomes due without anybody's doing, and another process
    /// may write to the same file.
    static let lookInterval: Duration = .seconds(1)

    private func wait(_ parking: ParkedLease, atMost limit: Duration) async throws -> [JobRow] {
        let surroundings = surroundings
        let rows = await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    try? await surroundings.sleep(limit)
                    parking.end(with: [])
                }
                let rows = await parking.rows()
                group.cancelAll()
                return rows
            }
        } onCancel: {
            parking.end(with: [])
        }
        parked.remove(parking)
        if rows.isEmpty { try Task.checkCancellation() }
        return rows
    }
}

extension WriteStep {
    /// Takes due jobs, priority by priority, each shared fairly between tenants.
    /// - Returns: `nil` when this worker gets nothing whatever there is: it drains, was silent, or has asked
    ///   again since.
    func lease(_ demand: LeaseDemand) throws -> [JobRow]? {
        try ledger.flush(db)
        let now = now
        guard let worker = try leasingWorker(demand.worker) else { throw MillraceError.workerMissing(demand.worker) }
        guard !demand.isOvertaken(by: worker.lastRequest) else { return nil }
        try giveBackUnknown(to: demand)
        guard worker.mayLease(demand, at: now) else { return nil }
        guard try mode(of: demand.endpoint) != .paused else { return [] }
        try ledger.flush(db)
        let waiting = try waitingLanes(demand, at: now)
        guard !waiting.isEmpty else { return [] }
        var (left, room) = try limits(demand)
        var leased: [JobRow] = []
        var bytesLeft = Self.inputBytesMax
        for (_, lanes) in Dictionary(grouping: waiting, by: \.priority).sorted(by: { $0.key > $1.key }) where left > 0 && bytesLeft > 0 {
            var share = FairShare(lanes.map(\.candidate), room: room)
            let filled = try share.fill(left) { try take($1, fromLane: $0, for: demand, at: now, &bytesLeft) }
            for lane in share.served { try ledger.served(lane: lane, in: db) }
            leased += filled.found
            room = filled.room
            left -= filled.found.count
        }
        // A request that was given nothing leaves no trace: to note it would cost a sync each time that a worker asks.
        if !leased.isEmpty { ledger.lent(to: demand, at: now) }
        return leased
    }

    struct LeasingWorker {
        var isDraining: Bool
        var seenAt: Timestamp
        var idleSince: Timestamp
        var lastRequest: Int64?

        func mayLease(_ demand: LeaseDemand, at now: Timestamp) -> Bool {
            !isDraining && demand.jobsMax > 0 && seenAt + demand.duration > now
        }
    }

    private static let workerByID = HotSQL("SELECT draining, seenAt, idleSince, lastRequest FROM worker WHERE id = ?")

    func leasingWorker(_ id: WorkerID) throws -> LeasingWorker? {
        var statement = try statement(Self.workerByID)
        statement.bind(id)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return LeasingWorker(
            isDraining: statement.int(0) != 0, seenAt: statement.time(1), idleSince: statement.time(2),
            lastRequest: statement.isNull(3) ? nil : Int64(statement.int(3)))
    }

    private func giveBackUnknown(to demand: LeaseDemand) throws {
        guard demand.held != nil else { return }
        for row in try held(by: demand.worker) {
            guard let transition = JobTransition.giveBack(row.job, unknownTo: demand, in: surroundings) else { continue }
            _ = try apply(transition, to: row)
        }
    }

    struct WaitingLane {
        var priority: Int
        var candidate: FairShare<Int64>.Candidate
    }

    private static let waitingLanes = HotSQL(JobQuery.waitingLanes)

    func waitingLanes(_ demand: LeaseDemand, at now: Timestamp) throws -> [WaitingLane] {
        var statement = try statement(Self.waitingLanes)
        statement.bind(demand.endpoint)
        statement.bind(demand.variant)
        statement.bind(now)
        var lanes: [WaitingLane] = []
        while try statement.step() {
            lanes.append(
                WaitingLane(
                    priority: statement.int(1),
                    candidate: .init(
                        lane: Int64(statement.int(0)), tenant: statement.text(2) ?? "", queued: statement.int(3), running: statement.int(4),
                        turn: Int64(statement.int(5)))))
        }
        return lanes
    }

    /// How many jobs may be taken, and what room each tenant has.
    private func limits(_ demand: LeaseDemand) throws -> (places: Int, room: TenantRoom) {
        let (all, each) = (demand.quotas.endpoint.runningMax, demand.quotas.tenant.runningMax)
        guard all != nil || each != nil else { return (demand.jobsMax, TenantRoom(runningMax: nil, running: [:])) }
        var running: [String: Int] = [:]
        for lane in try db.lanes(of: demand.endpoint) { running[lane.key.tenant, default: 0] += lane.running }
        let places = all.map { max(0, min(demand.jobsMax, $0 - running.values.reduce(0, +))) } ?? demand.jobsMax
        return (places, TenantRoom(runningMax: each, running: running))
    }

    /// - Parameter bytesLeft: what the inputs of further jobs may have; the last one may go over it, or a large one would never run.
    private func take(
        _ count: Int, fromLane lane: Int64, for demand: LeaseDemand, at now: Timestamp, _ bytesLeft: inout Int
    ) throws -> [JobRow] {
        guard bytesLeft > 0 else { return [] }
        var statement = try statement(JobRow.ready)
        statement.bind(lane)
        statement.bind(now)
        statement.bind(now)
        statement.bind(count)
        var taken: [JobRow] = []
        for row in try JobRow.read(&statement, in: self) {
            guard bytesLeft > 0 else { return taken }
            guard let transition = JobTransition.lease(row.job, by: demand, in: surroundings) else { continue }
            let row = try leased(transition, row)
            bytesLeft -= row.input?.utf8.count ?? 0
            taken.append(row)
        }
        if taken.count < count { try mendReadiness(ofLane: lane) }
        return taken
    }

    /// Bytes of inline inputs in one lease: an answer that is too large would be asked for again and again.
    static let inputBytesMax = 8 << 20

    /// The lane has nothing more that is due: says when it will.
    private func mendReadiness(ofLane lane: Int64) throws {
        var statement = try RawStatement(JobQuery.mendReadiness, in: db)
        statement.bind(lane)
        statement.bind(lane)
        try statement.run()
    }
}
