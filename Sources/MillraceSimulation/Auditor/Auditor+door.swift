import MillraceCore
import MillraceQueue

// Who may come in: quotas, and endpoints that drain.
extension Auditor {
    struct BucketKey: Hashable {
        var endpoint: String
        /// `nil`: all tenants together.
        var tenant: String?
    }

    /// A rate as a bucket that leaks: each job that comes pours some in, and what would overflow is refused.
    struct Bucket {
        /// When it will be empty, in microseconds.
        var emptyAt: Int64 = 0

        /// More than there is room for is from before the clock was set back, and forgotten: a rate begins anew then.
        func level(at now: Timestamp, room: Int64) -> Int64 {
            let level = max(0, emptyAt - now.milliseconds * 1000)
            return level > room ? 0 : level
        }

        mutating func pour(_ amount: Int64, at now: Timestamp, room: Int64) {
            emptyAt = now.milliseconds * 1000 + level(at: now, room: room) + amount
        }
    }

    /// A job was taken in: there must have been room for it.
    func letIn(_ job: Job, _ quotas: EndpointQuotas) throws {
        if modes[job.endpoint] == .draining { throw Violation(.mode, job.id, "it was taken in although \(job.endpoint) drains") }
        for (key, quota) in judges(of: job, quotas) {
            if let limit = quota.queuedMax, queued(key) >= limit {
                throw Violation(.quota, job.id, "it was let in as number \(queued(key) + 1); \(limit) may wait")
            }
            guard let rate = quota.rate else { continue }
            guard hasRoom(key, rate) else { throw Violation(.quota, job.id, "it was let in faster than the rate allows") }
            buckets[key, default: Bucket()].pour(spacing(rate), at: now, room: spacing(rate) * Int64(rate.burst))
        }
    }

    /// A job was refused: there must have been a reason, and nothing of it may be there.
    func turnedAway(_ job: Job, _ error: MillraceError, _ quotas: EndpointQuotas) async throws {
        world.report.refusals += 1
        let isRight =
            switch error.code {
            case .blobUnknown: job.files.contains { !mayBeUsed($0.blob) }
            case .endpointDraining: modes[job.endpoint] == .draining
            case .quotaExceeded:
                judges(of: job, quotas).contains { key, quota in
                    quota.queuedMax.map { queued(key) >= $0 } ?? false || quota.rate.map { !hasRoom(key, $0) } ?? false
                }
            default: false
            }
        guard isRight else { throw Violation(.quota, job.id, "it was refused without a reason: \(error)") }
        guard try await store.job(job.id) == nil else { throw Violation(.quota, job.id, "it was refused, and is there") }
    }

    private func judges(of job: Job, _ quotas: EndpointQuotas) -> [(BucketKey, Quota)] {
        [
            (BucketKey(endpoint: job.endpoint, tenant: nil), quotas.endpoint),
            (BucketKey(endpoint: job.endpoint, tenant: job.tenant), quotas.tenant),
        ]
    }

    private func queued(_ key: BucketKey) -> Int {
        open.count { id in
            jobs[id].map { $0.job.state == .queued && $0.job.endpoint == key.endpoint && (key.tenant ?? $0.job.tenant) == $0.job.tenant } ?? false
        }
    }

    private func spacing(_ rate: RateLimit) -> Int64 { rate.per.milliseconds * 1000 / Int64(rate.jobs) }

    private func hasRoom(_ key: BucketKey, _ rate: RateLimit) -> Bool {
        (buckets[key] ?? Bucket()).level(at: now, room: spacing(rate) * Int64(rate.burst)) <= spacing(rate) * Int64(rate.burst - 1)
    }
}
