import MillraceCore

extension JobQueue: ScalingStore {
    public func keep(_ entry: ScalingEntry, within limits: ScalingLimits, by leader: Leadership?) async throws {
        try await observed("keep_scaling") { _ in try await store.keep(entry, within: limits, by: leader) }
    }

    public func fleets() async throws -> [FleetRecord] { try await store.fleets() }

    public func decisions(of endpoint: String?, before cursor: Int64?, limit: Int) async throws -> [ScalingRecord] {
        try await store.decisions(of: endpoint, before: cursor, limit: limit)
    }

    public func usage(from: Day, through: Day) async throws -> [WorkerUsage] { try await store.usage(from: from, through: through) }

    public func totals() async throws -> [VariantTotals] { try await store.totals() }

    public func keep(_ start: ColdStart) async throws {
        try await observed("keep_start") { _ in try await store.keep(start) }
    }

    public func coldStarts(of endpoint: String?, limit: Int) async throws -> [ColdStart] {
        try await store.coldStarts(of: endpoint, limit: limit)
    }

    public func coldStart(ofWorkerOf job: JobID) async throws -> ColdStart? { try await store.coldStart(ofWorkerOf: job) }
}
