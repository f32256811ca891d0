import Logging
import MillraceCore
import MillraceQueue

/// The product's own services of the queue, moved by the simulation's events in place of their own loops.
final class GatewayServices {
    private unowned let world: World
    private let store: ServiceStore
    private let rescue: RescueService
    private let retention: RetentionService
    private var machine = RescueStateMachine(lease: .milliseconds(Timing.lease))

    init(_ world: World, clock: MachineClock) {
        self.world = world
        let logger = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }
        let store = ServiceStore(world)
        self.store = store
        rescue = RescueService(store, lease: .milliseconds(Timing.lease), surroundings: clock.surroundings, logger: logger)
        var policy = RetentionPolicy()
        policy.pendingAge = .milliseconds(Timing.unusedAge)
        policy.unusedAge = .milliseconds(Timing.unusedAge)
        policy.batchMax = 50
        policy.interval = .milliseconds(Timing.retentionRound)
        let jobsMax = world.weather.finishedMax
        let depot = world.host.depot
        retention = RetentionService(
            store, policy: policy,
            endpoints: { JobSpec.endpoints.map { EndpointRetention(endpoint: $0, age: .milliseconds(Timing.retention), jobsMax: jobsMax) } },
            surroundings: clock.surroundings, logger: logger, deleteBlob: { depot.delete($0) })
    }

    func start(_ gateway: Gateway) {
        machine = RescueStateMachine(lease: .milliseconds(Timing.lease))
        loop(gateway, gateway.life, 0, Timing.rescueTick) { [self] in await rescue.tick(&machine) }
        loop(gateway, gateway.life, world.dice.number(0...Timing.retentionRound), Timing.retentionRound) { [self] in
            // A round is ended by the failures that are put in; the next one begins again.
            try? await retention.round()
        }
    }

    private func loop(_ gateway: Gateway, _ life: Int, _ wait: Int64, _ pause: Int64, _ action: @escaping () async -> Void) {
        world.after(wait) { [self] in
            guard gateway.life == life else { return }
            guard !gateway.isStalled else { return loop(gateway, life, gateway.stalledUntil - world.now, pause, action) }
            store.asker = gateway
            await action()
            try store.rethrow()
            loop(gateway, life, pause, pause, action)
        }
    }
}

/// The store as the services see it: each call meets the same faults, and the same auditor, as that of any party.
// Unchecked: the services run inside of the simulation's one task, which waits for them.
final class ServiceStore: StoreProxy, @unchecked Sendable {
    private unowned let world: World
    fileprivate(set) unowned var asker: Gateway!
    private var violation: (any Error)?

    init(_ world: World) {
        self.world = world
        super.init(world.host.store)
    }

    override func rescue(limit: Int, by leader: Leadership?) async throws -> [Job] {
        guard case .jobs(let jobs) = try await perform(.rescue(limit: limit, by: leader)) else { return [] }
        return jobs
    }

    override func removeWorkers(notSeenSince: Timestamp, by leader: Leadership?) async throws -> [WorkerRecord] {
        let call = StoreCall.removeWorkers(notSeenSince: notSeenSince, by: leader)
        guard case .workers(let workers) = try await perform(call) else { return [] }
        return workers
    }

    override func prune(_ endpoint: EndpointRetention, at now: Timestamp, limit: Int, by leader: Leadership?) async throws -> Int {
        let call = StoreCall.prune(endpoint, at: now, limit: limit, by: leader)
        guard case .count(let count) = try await perform(call) else { return 0 }
        return count
    }

    override func claimUnused(
        pendingBefore: Timestamp, unusedBefore: Timestamp, limit: Int, by leader: Leadership?
    ) async throws -> [BlobID] {
        let call = StoreCall.claimUnused(pendingBefore: pendingBefore, unusedBefore: unusedBefore, limit: limit, by: leader)
        guard case .blobs(let blobs) = try await perform(call) else { return [] }
        return blobs
    }

    override func forget(_ ids: [BlobID]) async throws {
        _ = try await perform(.forget(ids))
    }

    override func lead(_ role: LeadershipRole, as candidate: CandidateID, for duration: Duration) async throws -> Leadership? {
        guard case .leadership(let granted) = try await perform(.lead(role, as: candidate, for: duration)) else { return nil }
        return granted
    }

    override func resign(_ leadership: Leadership) async throws {
        _ = try await perform(.resign(leadership))
    }

    override func lastChangeAt() async throws -> Timestamp? {
        guard case .time(let time) = try await perform(.lastChange) else { return nil }
        return time
    }

    override func clockWasSetBack(by step: Duration, as leader: Leadership?) async throws {
        _ = try await perform(.clockWasSetBack(by: step, as: leader))
    }

    private func perform(_ call: StoreCall) async throws -> StoreReply {
        do {
            if call.leader != nil, isLate() { return try late(call) }
            return try await world.host.perform(call, for: asker).get()
        } catch {
            if !(error is MillraceError) { violation = violation ?? error }
            throw error
        }
    }

    private func isLate() -> Bool { !world.isCalm && world.dice.chance(world.weather.lateLeaderRate) }

    /// The gateway stands still between its decision and its write, and goes on as the leader that it may be no more.
    private func late(_ call: StoreCall) throws -> StoreReply {
        let wait = world.dice.number(1_000...4 * Timing.lease)
        world.fault(.leaderLate, asker.name, number: wait)
        let asker = asker!
        asker.stop(for: wait)
        world.after(wait) { [self] in _ = try await world.host.perform(call, for: asker) }
        throw MillraceError(.unavailable, "the gateway stood still")
    }

    /// The services catch every error; a broken promise must get through.
    func rethrow() throws {
        if let violation { throw violation }
    }
}
