import MillraceCore
import MillraceQueue

/// Holds the promises of `DESIGN.md`.
///
/// It sees every call that the store carried out, in order, whether or not its caller heard the answer; it knows what
/// clients and webhook receivers saw; and it knows the truth that nobody in the deployment knows: who is alive, and what
/// the time is. It keeps its own picture of what the store must hold, by rules written apart from the product's, and
/// compares after each call what the call was about, and from time to time everything.
final class Auditor {
    unowned let world: World
    var jobs: [JobID: AuditedJob] = [:]
    /// Jobs that have not ended.
    var open: Set<JobID> = []
    /// Running jobs by worker.
    var running: [WorkerID: Set<JobID>] = [:]
    var keys: [IdempotencyKey: JobID] = [:]
    var tokens: Set<LeaseToken> = []
    /// Whether each known worker drains, and the true time at which it was last heard.
    var workers: [WorkerID: Bool] = [:]
    var heard: [WorkerID: Int64] = [:]
    var blobs: [BlobID: AuditedBlob] = [:]
    var deliveries: [DeliveryID: AuditedDelivery] = [:]
    var deliveriesEver: [DeliveryID: JobID] = [:]
    var waitingDeliveries: Set<DeliveryID> = []
    /// Jobs that were removed after their time, as it should be.
    var pruned: Set<JobID> = []
    /// The highest number that any event had before the call that is looked at, and the numbers that came with it.
    var lastSequence: Int64 = 0
    var newSequences: Set<Int64> = []
    /// Modes that are not open, roles, and how full the buckets of rates are.
    var modes: [String: EndpointMode] = [:]
    var leaders: [LeadershipRole: Leadership] = [:]
    var buckets: [BucketKey: Bucket] = [:]
    /// The number of each worker's last request for work, and when the store heard of it by its own clock.
    var requests: [WorkerID: Int64] = [:]
    var processes: [WorkerID: Timestamp] = [:]
    var seenAt: [WorkerID: Timestamp] = [:]
    var clockSteps: [(at: Int64, size: Int64)] = []
    /// What receivers got: the id of each end of each job.
    var received: [DeliveredEnd: Set<DeliveryID>] = [:]
    /// How often a job ended so. More than once only when it was sent round again, and ended again, within a millisecond.
    var ends: [DeliveredEnd: Int] = [:]
    var receivedIDs: Set<DeliveryID> = []
    private var bodies: [DeliveryID: Job] = [:]

    private(set) var jobsEver = 0
    var eventsEver = 0
    private(set) var webhooksEver = 0

    struct IdempotencyKey: Hashable {
        var tenant: String
        var key: String
    }

    struct AuditedBlob {
        var isDeleting = false
        var writer: JobID?
        var createdAt: Timestamp
    }

    struct AuditedDelivery {
        var job: JobID
        var claim: LeaseToken?
        /// True for as long as no other sender may have it.
        var availableAt: Timestamp
        var isPending = true
    }

    struct DeliveredEnd: Hashable {
        var job: JobID
        var state: JobState
        var leases: Int
        var finishedAt: Timestamp?

        init(_ job: Job) {
            (self.job, state, leases, finishedAt) = (job.id, job.state, job.leases, job.finishedAt)
        }
    }

    init(_ world: World) {
        self.world = world
    }

    var store: any Store { world.host.store }
    var now: Timestamp { world.host.clock.now }
    var isAtRest: Bool { open.isEmpty && waitingDeliveries.isEmpty }

    func clockStepped(by size: Int64) {
        clockSteps.append((world.now, size))
    }

    /// Takes in a job that was admitted.
    func add(_ job: Job, _ new: NewJob) {
        jobsEver += 1
        jobs[job.id] = AuditedJob(job: job.withoutInput, input: new.job.input, idempotency: new.idempotency, order: jobsEver, steps: 1)
        open.insert(job.id)
        if let key = new.idempotency { keys[IdempotencyKey(tenant: job.tenant, key: key.key)] = job.id }
    }

    func change(_ id: JobID, _ body: (inout AuditedJob) -> Void) throws {
        guard jobs[id] != nil else { throw Violation(.store, id, "the store speaks of a job that it never took in") }
        body(&jobs[id]!)
    }

    // MARK: What clients and receivers saw

    /// A client has its answer.
    /// - Returns: the job's id, `nil` when the request was refused.
    func acknowledged(_ admission: Admission, key: String?, tenant: String) throws -> JobID? {
        switch admission {
        case .admitted(let job), .existing(let job):
            guard jobs[job.id] != nil || pruned.contains(job.id) else {
                throw Violation(.lost, job.id, "a client was told of a job that is not there")
            }
            jobs[job.id]?.isAcknowledged = true
            return job.id
        case .conflict, .refused: return nil
        }
    }

    /// A receiver has a webhook. The end that it tells of never comes under another id.
    func received(_ delivery: Delivery) throws {
        let job = delivery.snapshot
        world.note("receiver", "has webhook " + delivery.event, job: job.id)
        webhooksEver += 1
        let end = DeliveredEnd(job)
        received[end, default: []].insert(delivery.id)
        guard received[end]!.count <= ends[end, default: 0] else {
            throw Violation(.doubled, job.id, "one end, several webhook ids: \(received[end]!)")
        }
        receivedIDs.insert(delivery.id)
        guard bodies.updateValue(job, forKey: delivery.id).map({ $0 == job }) ?? true else {
            throw Violation(.webhook, job.id, "a repeated webhook has another body")
        }
        guard deliveriesEver[delivery.id] == job.id else {
            throw Violation(.webhook, job.id, "a webhook was sent that was never written")
        }
    }

    // MARK: The end

    func stuck() -> Violation {
        if let job = open.min() {
            let (state, isAcknowledged) = (jobs[job]?.job.state.rawValue ?? "?", jobs[job]?.isAcknowledged ?? false)
            return Violation(
                .stuck, job, "it is still \(state) long after all faults were over" + (isAcknowledged ? ", and a client counts on it" : ""))
        }
        let delivery = waitingDeliveries.min()
        return Violation(.stuck, delivery.flatMap { deliveries[$0]?.job }, "its webhook still waits long after all faults were over")
    }

    /// Every accepted job has ended, and everybody who wanted to know was told.
    func verifyEnd() throws {
        for (id, known) in jobs.sorted(by: { $0.key < $1.key }) {
            guard known.job.state.isFinal else { throw Violation(.stuck, id, "it has not ended") }
        }
    }
}
