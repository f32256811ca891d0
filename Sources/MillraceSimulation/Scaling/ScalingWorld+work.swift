import MillraceCloud
import MillraceCore
import MillraceQueue

/// A worker of ``ScalingWorld``: it takes one job after the other.
final class FleetedWorker {
    let instance: InstanceID
    let id: WorkerID
    /// What it believes to have.
    var job: Job?
    var isGone = false
    var requests: Int64 = 0

    init(instance: InstanceID, id: WorkerID) {
        self.instance = instance
        self.id = id
    }
}

extension ScalingWorld {
    // MARK: Jobs

    /// Gaps between bursts, and jobs close together in them; by night there are few.
    func arriveNext() {
        let hour = (time.now / 3_600_000) % 24
        let busy = hour >= 8 && hour < 18
        let mean = 86_400_000 / Int64(max(settings.jobsPerDay, 1))
        let gap = dice.chance(0.6) ? dice.number(0...20_000) : dice.number(0...mean * (busy ? 3 : 12))
        after(gap) { [self] in
            guard !isEnding else { return }
            arriveNext()
            let surroundings = clock.surroundings
            let job = Job(
                id: surroundings.makeID(), tenant: "t", endpoint: "ocr", input: RawJSON(.integer(1)), retry: Self.patient,
                createdAt: surroundings.now())
            _ = try await store.admit([NewJob(job: job)])
            report.jobs += 1
            done[job.id] = 0
            for worker in workers.values.sorted(by: { $0.instance < $1.instance }) where worker.job == nil { try await ask(worker) }
            look(at: time.now)
        }
    }

    private static let patient: RetryPolicy = {
        var policy = RetryPolicy()
        (policy.attemptsMax, policy.crashesMax) = (100, 100)
        return policy
    }()

    // MARK: Workers

    func begin(_ instance: FleetInstance) {
        let worker = FleetedWorker(instance: instance.id, id: clock.surroundings.makeID())
        workers[instance.id] = worker
        trouble(worker)
        after(100) { [self] in
            guard !worker.isGone else { return }
            let now = clock.surroundings.now()
            try await store.register(
                WorkerRecord(
                    id: worker.id, endpoint: "ocr", variant: "a", instance: worker.instance, host: "h", processID: 1, startedAt: now, seenAt: now,
                    idleSince: now))
            look(at: time.now)
            after(settings.load.milliseconds) { [self] in
                guard !worker.isGone else { return }
                try await ask(worker)
                look(at: time.now)
            }
        }
    }

    /// Takes a job, if there is one.
    private func ask(_ worker: FleetedWorker) async throws {
        guard !worker.isGone, worker.job == nil, (try? await store.touch(worker.id, readyAt: clock.surroundings.now())) != nil else { return }
        worker.requests += 1
        let leased = try await store.lease(
            LeaseDemand(
                worker: worker.id, endpoint: "ocr", variant: "a", jobsMax: 1, duration: Self.lease, held: [], request: worker.requests))
        guard let job = leased.first else { return }
        worker.job = job
        look(at: time.now)
        after(dice.number(settings.work.lowerBound.milliseconds...settings.work.upperBound.milliseconds)) { [self] in
            try await finish(job, worker)
        }
    }

    private func finish(_ job: Job, _ worker: FleetedWorker) async throws {
        guard !worker.isGone, let token = job.lease?.token else { return }
        let verdict = try await store.settle([AttemptReport(job: job.id, token: token, outcome: .succeeded(outputs: []))]).first
        if verdict == .held {
            done[job.id, default: 0] += 1
            report.done += 1
            if done[job.id]! > 1 { report.doubled += 1 }
        }
        worker.job = nil
        look(at: time.now)
        try await ask(worker)
    }

    // MARK: Audit

    /// Once a day: jobs that ended go, so that the world stays small.
    func tidyNext() {
        after(86_400_000) { [self] in
            tidyNext()
            let surroundings = clock.surroundings
            let retention = EndpointRetention(endpoint: "ocr", age: .seconds(86_400))
            for (id, count) in done where count > 0 {
                guard let job = try await store.job(id), job.state == .succeeded else { report.lost += 1; continue }
            }
            while try await store.prune(retention, at: surroundings.now(), limit: 500, by: nil) == 500 {}
            for id in done.keys where try await store.job(id) == nil {
                if done.removeValue(forKey: id) == 0 { report.lost += 1 }
            }
            look(at: time.now)
        }
    }

    /// At the end every job is done once.
    func audit() async throws {
        for (id, count) in done where count != 1 {
            report.lost += count == 0 ? 1 : 0
            if count == 0, let job = try await store.job(id) { report.remarks.append("job \(id) is \(job.state) after \(job.leases) leases") }
        }
    }
}
