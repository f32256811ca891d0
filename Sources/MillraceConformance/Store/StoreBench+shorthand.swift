import MillraceCore
import MillraceQueue
import MillraceTestSupport

// Longer short forms: many jobs at once, quotas, waiting.
extension StoreBench {
    /// Submits several jobs like one another in one call.
    func submit(_ count: Int, tenant: String = "acme", priority: Int = 5, variant: String = "a", runAt: Timestamp? = nil) async throws -> [Job] {
        let jobs = (0..<count).map { _ in
            Job.fixture(tenant: tenant, variant: variant, priority: priority, runAt: runAt, in: surroundings)
        }
        let admissions = try await admit(jobs)
        try expectEqual(admissions, jobs.map { .admitted($0) }, "admissions")
        return jobs
    }

    func admit(_ jobs: [Job], within quotas: EndpointQuotas = EndpointQuotas()) async throws -> [Admission] {
        try await store.admit(jobs.map { NewJob(job: $0) }, within: quotas)
    }

    /// Whether each of some new jobs of these tenants was taken in.
    func knock(_ tenants: [String], within quotas: EndpointQuotas, endpoint: String = "ocr") async throws -> [Bool] {
        let jobs = tenants.map { Job.fixture(tenant: $0, endpoint: endpoint, in: surroundings) }
        return try await admit(jobs, within: quotas).map { $0.refusal == nil }
    }

    func lease(
        _ worker: WorkerID, jobsMax: Int = 100, endpoint: String = "ocr", variant: String = "a", within quotas: EndpointQuotas
    ) async throws -> [Job] {
        _ = try await store.touch(worker, readyAt: nil)
        return try await store.lease(
            LeaseDemand(
                worker: worker, endpoint: endpoint, variant: variant, jobsMax: jobsMax, duration: .seconds(15), quotas: quotas))
    }

    /// A worker that waits for work, when this returns.
    func waiting(
        _ worker: WorkerID, for limit: Duration = .seconds(600), within quotas: EndpointQuotas = EndpointQuotas(), besides others: Int = 0
    ) async throws -> Task<[Job], any Error> {
        let demand = LeaseDemand(
            worker: worker, endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15), quotas: quotas)
        // Unstructured: a case decides when it ends, and whether it is cancelled.
        let task = Task { try await store.lease(demand, waiting: limit) }
        do {
            try await clock.waitForSleepers(others + 1)
        } catch {
            task.cancel()
            throw error
        }
        return task
    }

    /// Lets second after second pass until a wait is over.
    func letTimePass(until wait: Task<[Job], any Error>) async throws -> [Job] {
        try await withThrowingTaskGroup(of: [Job].self) { group in
            group.addTask { try await wait.value }
            group.addTask {
                while true {
                    try await clock.waitForSleepers()
                    clock.advance(by: .seconds(1))
                }
            }
            defer { group.cancelAll() }
            return try await group.next() ?? []
        }
    }

    func settleAll(_ jobs: [Job], _ outcome: AttemptReport.Outcome = .succeeded(outputs: [])) async throws {
        for job in jobs { try expectEqual(try await settle(job, outcome), .held, "settling") }
    }
}

extension Sequence<Job> {
    /// How many jobs each tenant has.
    var byTenant: [String: Int] { reduce(into: [:]) { $0[$1.tenant, default: 0] += 1 } }
}

extension Admission {
    var refusal: MillraceError? { if case .refused(let error) = self { error } else { nil } }
}
