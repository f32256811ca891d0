import MillraceCore
import MillraceQueue
import MillraceTestSupport

/// Invents operations, and remembers enough of the answers to invent sensible ones: leases old and new, blobs, workers.
struct StoreScript {
    private var random: SplitMix64
    let clock: ManualClock
    private(set) var blobs: [BlobID] = []
    private(set) var jobs: [JobID] = []
    private var workers: [WorkerID] = []
    /// Leases ever given, stale ones too.
    private var leases: [Job] = []
    private var requests: Int64 = 0
    private var deliveries: [Delivery] = []
    /// Leaderships ever given, those that are over too.
    private var leaders: [Leadership] = []
    /// Who may lead.
    let candidates: [CandidateID]

    init(seed: UInt64) {
        random = SplitMix64(seed: ~seed)
        clock = ManualClock(seed: ~seed)
        let surroundings = clock.surroundings
        candidates = (0..<3).map { _ in surroundings.makeID() }
    }

    mutating func learn(from answer: StoreAnswer) {
        switch answer {
        case .jobs(let found): leases = (leases + found.filter { $0.lease != nil }).suffix(40)
        case .leadership(let found?): leaders = (leaders + [found]).suffix(6)
        case .deliveries(let found): deliveries = (deliveries + found).suffix(10)
        default: break
        }
    }

    mutating func next() -> StoreOperation {
        switch number(126) {
        case 0..<12: return advance()
        case 12..<28: return submit()
        case 28..<34: return reserve()
        case 34..<36: return .seal(any(of: blobs) ?? makeID())
        case 36..<39: return register()
        case 39..<41: return .touch(any(of: workers) ?? makeID())
        case 41: return .drain(any(of: workers) ?? makeID(), by: leader())
        case 42: return .deregister(any(of: workers) ?? makeID())
        case 43: return .removeWorkers(age: .seconds(number(120)), by: leader())
        case 44..<60: return lease()
        case 60..<68: return .renew((0...number(3)).compactMap { _ in renewal() })
        case 68..<80: return .settle((0...number(3)).compactMap { _ in report() })
        case 80..<85: return .rescue(limit: number(5), by: leader())
        case 85: return .abandon(any(of: workers) ?? makeID(), atRisk: flip() ? [] : Set(jobs.filter { _ in flip() }))
        case 86..<89: return .cancel(any(of: jobs) ?? makeID())
        case 89..<91: return .retry(any(of: jobs) ?? makeID())
        case 91..<93: return .prune(age: .seconds(number(60)), keeping: flip() ? number(20) : nil, limit: number(5), by: leader())
        case 93..<95: return .collect(age: .seconds(number(60)), limit: number(5), by: leader())
        case 95..<97: return .claimDeliveries(limit: number(4))
        case 97..<100: return record()
        case let choice: return control(choice - 100)
        }
    }

    private mutating func advance() -> StoreOperation {
        let duration = Duration.milliseconds(flip() ? number(50) : number(20_000))
        clock.advance(by: duration)
        return .advance(duration)
    }

    private mutating func submit() -> StoreOperation {
        .submit(
            (0...number(4)).map { _ in
                var job = Job.fixture(
                    tenant: tenant(), endpoint: flip() ? "ocr" : "tags", variant: flip() ? "a" : "b",
                    priority: flip() ? 5 : number(10), parameters: flip() ? ["lang": "de"] : [:], input: flip() ? ["n": 1.5] : nil,
                    files: flip() ? files(2) : [], callback: flip() ? "https://example.com" : nil,
                    retry: RetryPolicy(
                        attemptsMax: 1 + number(3), crashesMax: 1 + number(3), backoffBase: .milliseconds(number(9_000)),
                        backoffMax: .seconds(10)),
                    runLimit: .seconds(number(60)), runAt: flip() ? clock.now + .seconds(number(30)) : nil,
                    expiresAt: flip() ? clock.now + .seconds(number(60)) : nil, in: clock.surroundings)
                job.deadline = number(4) == 0 ? clock.now + .seconds(number(90)) : nil
                job.traceparent = flip() ? "00-1-2-01" : nil
                jobs = (jobs + [job.id]).suffix(60)
                guard number(3) == 0 else { return NewJob(job: job) }
                return NewJob(job: job, idempotency: .init(key: "key \(number(12))", fingerprint: number(5) == 0 ? "odd" : "even"))
            }, within: quotas())
    }

    private mutating func reserve() -> StoreOperation {
        let writer = flip() ? any(of: leases)?.id : nil
        let blob = BlobRecord.fixture(
            id: number(20) == 0 ? any(of: blobs) : nil, tenant: number(8) == 0 ? "other" : "acme", writer: writer, in: clock.surroundings)
        blobs = (blobs + [blob.id]).suffix(80)
        return .reserve(blob)
    }

    private mutating func register() -> StoreOperation {
        let worker = WorkerRecord.fixture(
            id: number(4) == 0 ? any(of: workers) : nil, endpoint: flip() ? "ocr" : "tags", variant: flip() ? "a" : "b",
            in: clock.surroundings)
        workers = (workers + [worker.id]).suffix(8)
        return .register(worker)
    }

    private mutating func lease() -> StoreOperation {
        var demand = LeaseDemand(
            worker: any(of: workers) ?? makeID(), endpoint: flip() ? "ocr" : "tags", variant: flip() ? "a" : "b",
            jobsMax: number(8), duration: .seconds(5 + number(20)),
            held: number(6) == 0 ? Set(leases.compactMap { $0.lease?.token }.prefix(number(40))) : nil, quotas: quotas())
        // Some are counted, and then some come late, or twice.
        requests += 1
        if flip() { demand.request = requests - Int64(number(4)) }
        return .lease(demand)
    }

    private mutating func renewal() -> LeaseRenewal? {
        guard let job = any(of: leases) else { return nil }
        return LeaseRenewal(
            job: job.id, token: token(of: job), duration: .seconds(15),
            progress: flip() ? JobProgress(done: Double(number(5)), unit: "pages", metrics: flip() ? ["loss": 0.5] : nil) : nil,
            logs: logs(),
            checkpoint: number(3) == 0 ? files(1).first.map { JobCheckpoint(file: $0, position: .integer(Int64(number(9)))) } : nil)
    }

    private mutating func report() -> AttemptReport? {
        guard let job = any(of: leases) else { return nil }
        let outcome: AttemptReport.Outcome =
            switch number(8) {
            case 6: .failed(JobFailure(.runLimitExceeded, "too long", retryable: false))
            case 7: .succeeded(outputs: [], inline: (0..<number(3)).map { InlineOutput(name: "\($0)", mediaType: "text/plain", text: "é\n\($0)") })
            case 0: .failed(JobFailure(.invalidInput, "no", retryable: false))
            case 1: .failed(JobFailure(code: "mine", message: "later", retryable: true, retryAfter: flip() ? .seconds(number(20)) : nil))
            case 2: .cancelled
            case 3: .released(reason: "drain")
            default: .succeeded(outputs: files(2))
            }
        return AttemptReport(
            job: job.id, token: token(of: job), outcome: outcome, logs: logs(), progress: flip() ? JobProgress(done: 9) : nil,
            coldStart: flip() ? .milliseconds(number(4000)) : nil)
    }

    private mutating func record() -> StoreOperation {
        guard let delivery = any(of: deliveries) else { return .claimDeliveries(limit: 1) }
        return .record(delivery, delivered: flip(), retry: flip() ? .seconds(number(30)) : nil)
    }

    private mutating func logs() -> [LogLine] {
        (0..<number(3)).map { LogLine(level: [.debug, .info, .warning, .error][$0], message: "line \($0)") }
    }

    /// Files of blobs that are mostly there.
    private mutating func files(_ limit: Int) -> [JobFile] {
        (0..<number(limit + 1)).map { .fixture(number(20) == 0 ? makeID() : any(of: blobs) ?? makeID(), name: "file \($0)") }
    }

    private mutating func token(of job: Job) -> LeaseToken {
        number(12) == 0 ? makeID() : job.lease!.token
    }

    /// Mostly nobody in particular; else one that leads, led, or never did.
    mutating func leader() -> Leadership? {
        guard number(3) == 0 else { return nil }
        return any(of: leaders) ?? Leadership(role: .rescue, candidate: makeID(), epoch: 1, until: clock.now)
    }

    /// One has many jobs, the others have few.
    mutating func tenant() -> String {
        flip() ? "acme" : ["other", "third", "fourth"][number(3)]
    }

    /// A number from 0 up to, not including, a limit.
    mutating func number(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }
    mutating func flip() -> Bool { number(2) == 0 }
    mutating func any<Element>(of elements: [Element]) -> Element? { elements.randomElement(using: &random) }
    private func makeID<Kind>() -> Identifier<Kind> { clock.surroundings.makeID() }
}
