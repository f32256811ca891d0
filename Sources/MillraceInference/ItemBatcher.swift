import MillraceCore
import Synchronization

/// Collects items of many jobs into batches, runs them one after the other, and gives each item its outcome.
///
/// The next batch begins when the one before has ended, or when its runner says that it leaves a part of the device free.
/// A batch that fails as a whole is run again in halves until the bad item is alone; items that others spoiled are
/// answered as if they had been alone from the start.
public final class ItemBatcher: Sendable {
    private struct Pending: Sendable {
        var item: InferenceItem
        var job: JobID
        /// A suspect's, see ``RiskGate``.
        var isAlone = false
        var answer: Answer
    }
    private enum Answer: Sendable {
        /// To a task that waits.
        case task(CheckedContinuation<ItemOutcome, Never>)
        case callback(@Sendable (ItemOutcome) -> Void)

        func resume(returning outcome: ItemOutcome) {
            switch self {
            case .task(let continuation): continuation.resume(returning: outcome)
            case .callback(let body): body(outcome)
            }
        }
    }
    private struct State {
        var planner: BatchPlanner<Pending>
        var nextID: ItemID = 1
        /// Items being made now; a batch that is not full may wait for them.
        var producers = 0
        /// The batch that was decided on and waits for its turn at the gate, less what was cancelled meanwhile.
        var entering: [Pending] = []
        /// Items of the running batches that have no answer yet.
        var running: [ItemID: Answer] = [:]
        /// Batches that have begun, and those of them that run.
        var begun = 0
        var active = 0
        /// When the last batch ended.
        var ended: ContinuousClock.Instant?
        var closed = false
        var rest = Rest.none

        /// Whether whoever has just added items must wake the loop. The first one who asks is told so.
        mutating func mustWake() -> Bool {
            switch rest {
            case .none: return false
            case .waiting where !planner.isFull: return false
            case .idle, .waiting:
                rest = .none
                return true
            }
        }

        /// - Returns: the batch's number, and how many others run.
        mutating func begin() -> (number: Int, others: Int) {
            defer { active += 1 }
            begun += 1
            return (begun, active)
        }

        /// - Returns: whether others have begun since.
        mutating func end(_ number: Int) -> Bool {
            active -= 1
            return begun > number
        }

        /// Whether the loop must look again, now that a batch has ended while nothing waited.
        mutating func mustWakeAtEnd() -> Bool {
            guard rest == .idle else { return false }
            rest = .none
            return true
        }

        /// An item that does not run yet, which will not.
        mutating func withdraw(_ id: ItemID, of job: JobID) -> Pending? {
            if let waiting = planner.remove(id, of: job) { return waiting }
            return entering.firstIndex { $0.item.id == id }.map { entering.remove(at: $0) }
        }

        /// What is left of the batch that waited.
        mutating func takeEntering() -> [Pending] {
            defer { entering = [] }
            return entering
        }
    }
    /// What the loop rests for.
    private enum Rest {
        case none
        /// Nothing waits: any item wakes it.
        case idle
        /// A batch waits for more items: the one that fills it wakes it.
        case waiting
    }

    private let runner: any ModelRunner
    private let observer: any ItemObserver
    private let risk: RiskGate?
    /// Batches may share the device; one that failed as a whole is tried in parts without others beside it, whose memory it may have lacked.
    private let device = RiskGate(nil)
    private let surroundings: Surroundings
    private let onBatch: @Sendable (_ items: Int, _ duration: Duration) -> Void
    private let state: Mutex<State>
    private let (wake, wakeUp) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// - Parameters:
    ///   - risk: what stands before the runner, when it may take this process with it.
    ///   - onBatch: Told of each batch that ran how many items it had, and how long the runner took.
    public init(
        runner: any ModelRunner, observer: any ItemObserver, policy: BatchingPolicy, surroundings: Surroundings, risk: RiskGate? = nil,
        onBatch: @escaping @Sendable (_ items: Int, _ duration: Duration) -> Void = { _, _ in }
    ) {
        self.runner = runner
        self.observer = observer
        self.risk = risk
        self.surroundings = surroundings
        self.onBatch = onBatch
        state = Mutex(State(planner: BatchPlanner(policy)))
    }

    /// A number for an item, so that its observer knows it before it runs.
    public func makeItemID() -> ItemID {
        state.withLock { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
    }

    /// Marks that an item is being made (fetched, decoded), for the time of `body`.
    public func producing<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        let begun = surroundings.now()
        state.withLock { $0.producers += 1 }
        // No need to wake the loop: where items wait for more, it looks again by itself.
        defer {
            let duration = surroundings.now().since(begun)
            state.withLock { state in
                state.producers -= 1
                state.planner.notePreparation(took: duration)
            }
        }
        return try await body()
    }

    /// Runs one item in some batch. When the task is cancelled the outcome is `.cancelled`, at once for an item that waits.
    /// - Parameter alone: whether only items of the same job may be in that batch, where the runner may take this process with it.
    public func run(_ item: InferenceItem, of job: JobID, alone: Bool = false, reason: @escaping @Sendable () -> CancellationReason) async -> ItemOutcome {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (refused, mustWake) = state.withLock { state in
                    // Checked under the lock: a cancellation that came before is seen here, a later one finds the item.
                    if state.closed || Task.isCancelled { return (true, false) }
                    let alone = alone && risk != nil
                    let pending = Pending(item: item, job: job, isAlone: alone, answer: .task(continuation))
                    state.planner.add(pending, id: item.id, cost: item.cost, of: job, at: surroundings.now(), alone: alone)
                    return (false, state.mustWake())
                }
                if refused { continuation.resume(returning: .cancelled) }
                if mustWake { wakeUp.yield() }
            }
        } onCancel: {
            cancel(item.id, of: job, reason: reason())
        }
    }

    /// An item for ``submit(_:)``.
    public struct Submission: Sendable {
        var item: InferenceItem
        var job: JobID
        var answer: @Sendable (ItemOutcome) -> Void

        /// - Parameter answer: called once, where the batch was run; it must not block.
        public init(item: InferenceItem, job: JobID, answer: @escaping @Sendable (ItemOutcome) -> Void) {
            self.item = item
            self.job = job
            self.answer = answer
        }
    }

    /// Has items run for which no task waits. ``cancel(_:of:reason:)`` stops one.
    public func submit(_ submissions: [Submission]) {
        guard !submissions.isEmpty else { return }
        let now = surroundings.now()
        let (refused, mustWake) = state.withLock { state in
            if state.closed { return (true, false) }
            for submission in submissions {
                let pending = Pending(item: submission.item, job: submission.job, answer: .callback(submission.answer))
                state.planner.add(pending, id: submission.item.id, cost: submission.item.cost, of: submission.job, at: now)
            }
            return (false, state.mustWake())
        }
        if refused { for submission in submissions { submission.answer(.cancelled) } }
        if mustWake { wakeUp.yield() }
    }

    /// Stops an item: one that waits is answered at once, one that runs when its runner lets go of it.
    public func cancel(_ id: ItemID, of job: JobID, reason: CancellationReason) {
        let (waiting, isRunning) = state.withLock { ($0.withdraw(id, of: job), $0.running[id] != nil) }
        waiting?.answer.resume(returning: .cancelled)
        if isRunning {
            // The runner is told on a task of its own: a cancellation handler cannot wait.
            Task { await runner.cancel(id, reason: reason) }
        }
    }

    /// Runs batches until the task is cancelled; then every item that still waits is answered as cancelled.
    public func run() async {
        defer { close() }
        await withDiscardingTaskGroup { batches in
            var hints = wake.makeAsyncIterator()
            while !Task.isCancelled {
                switch decide() {
                case .run(let batch):
                    let (turn, over) = AsyncStream<Void>.makeStream()
                    batches.addTask {
                        await self.runAtRisk(Set(batch.map(\.job)), alone: batch.contains(where: \.isAlone)) { over.finish() }
                        over.finish()
                        if self.state.withLock({ $0.mustWakeAtEnd() }) { self.wakeUp.yield() }
                    }
                    for await _ in turn {}
                case .wait(let until):
                    await pause(until: until, &hints)
                case .idle:
                    guard await hints.next() != nil else { return }
                }
            }
        }
    }

    private func decide() -> BatchPlanner<Pending>.Decision {
        state.withLock { state in
            let decision = state.planner.next(at: surroundings.now(), preparing: state.producers, isRunning: !state.running.isEmpty)
            switch decision {
            case .run(let batch):
                // Under the same lock: a cancellation finds every item waiting, entering or running.
                state.entering = batch
                state.rest = .none
            case .wait: state.rest = .waiting
            case .idle: state.rest = .idle
            }
            return decision
        }
    }

    /// Returns at the latest in 5 ms, to see whether what was awaited is still being made; sooner when the batch is full.
    private func pause(until: Timestamp, _ hints: inout AsyncStream<Void>.Iterator) async {
        let duration = min(until.since(surroundings.now()), .milliseconds(5))
        // Ends with this function, without a hint if it is still asleep then.
        async let _: Void? = try? ring(after: duration)
        _ = await hints.next()
    }

    private func ring(after duration: Duration) async throws {
        try await surroundings.sleep(duration)
        wakeUp.yield()
    }

    /// - Parameter onRoom: called when another batch may begin before this one's end.
    private func runAtRisk(_ jobs: Set<JobID>, alone: Bool, onRoom: @escaping @Sendable () -> Void) async {
        guard let risk else { return await runEntered(onRoom) }
        do {
            try await risk.enter(for: Array(jobs), alone: alone) { await runEntered(onRoom) }
        } catch {
            // The worker ends; none has run.
            for pending in state.withLock({ $0.takeEntering() }) { pending.answer.resume(returning: .cancelled) }
        }
    }

    private func runEntered(_ onRoom: @escaping @Sendable () -> Void) async {
        let batch = state.withLock { state in
            let batch = state.takeEntering()
            for pending in batch { state.running[pending.item.id] = pending.answer }
            return batch
        }
        // All may have been cancelled while they waited.
        guard !batch.isEmpty else { return }
        do {
            let (result, hadCompany) = try await device.enter(for: [], alone: false) {
                let (number, before) = state.withLock { $0.begin() }
                let failure = await run(batch[...], onRoom: onRoom)
                return (failure, state.withLock { $0.end(number) } || before > 0)
            }
            guard var failure = result else { return }
            try await device.enter(for: [], alone: true) {
                // Where it was not alone, it may have had too little memory for that reason only.
                if hadCompany, case .memory = failure {
                    guard let again = await run(batch[...]) else { return }
                    failure = again
                }
                _ = await isolate(batch[...], failure)
            }
        } catch {
            answer(batch[...]) { _ in .cancelled }
        }
    }

    /// Why a batch failed as a whole.
    private enum Failure {
        case memory(JobFailure)
        case other(JobFailure)
    }

    /// - Returns: `nil` when each item has its answer.
    private func run(_ batch: ArraySlice<Pending>, onRoom: @escaping @Sendable () -> Void = {}) async -> Failure? {
        do {
            let begun = Surroundings.monotonic()
            let outcomes = try await runner.run(batch.map(\.item), observer: BatchObserver(observer: observer, batcher: self, onRoom: onRoom))
            onBatch(batch.count, duration(since: begun))
            precondition(outcomes.count == batch.count, "a runner answers for every item")
            answer(batch) { outcomes[$0 - batch.startIndex] }
            return nil
        } catch BatchFailure.outOfMemory(let message) {
            return .memory(JobFailure(.outOfMemory, message, hint: "the input needs more memory than the device has", retryable: false))
        } catch BatchFailure.unattributed(let failure), BatchFailure.runnerLost(let failure) {
            return .other(failure)
        } catch is CancellationError {
            answer(batch) { _ in .cancelled }
            return nil
        } catch let error as MillraceError {
            return .other(JobFailure(error, retryable: true))
        } catch {
            return .other(JobFailure(.handlerError, "\(error)", retryable: true))
        }
    }

    /// Finds the bad item, or the number of them for which there is memory.
    /// - Returns: whether an item was among them that had no room alone: such a batch says nothing about others of its size.
    private func isolate(_ batch: ArraySlice<Pending>, _ failure: Failure) async -> Bool {
        switch failure {
        case .other(let failure): return await runHalves(of: batch, failure: failure)
        case .memory(let failure):
            let hadGiant = await runHalves(of: batch, failure: failure)
            guard batch.count > 1, !hadGiant else { return true }
            state.withLock { $0.planner.shrink(below: batch.reduce(0) { $0 + $1.item.cost }) }
            return false
        }
    }

    /// Of a batch that ends now. While the one before still ran, the device was that one's.
    private func duration(since begun: ContinuousClock.Instant) -> Duration {
        state.withLock { state in
            let now = Surroundings.monotonic()
            defer { state.ended = now }
            return now - max(begun, state.ended ?? begun)
        }
    }

    private func runHalves(of batch: ArraySlice<Pending>, failure: JobFailure) async -> Bool {
        guard batch.count > 1 else {
            answer(batch) { _ in .failed(failure) }
            return false
        }
        let middle = batch.startIndex + batch.count / 2
        var hadGiant = false
        for half in [batch[..<middle], batch[middle...]] {
            if let failure = await run(half), await isolate(half, failure) { hadGiant = true }
        }
        return hadGiant
    }

    /// Answers the items of a batch that have no answer yet.
    private func answer(_ batch: ArraySlice<Pending>, _ outcome: (_ index: Int) -> ItemOutcome) {
        let answers = state.withLock { state in batch.map { state.running.removeValue(forKey: $0.item.id) } }
        for (index, answer) in zip(batch.indices, answers) { answer?.resume(returning: outcome(index)) }
    }

    fileprivate func answer(_ item: ItemID, _ outcome: ItemOutcome) {
        state.withLock { $0.running.removeValue(forKey: item) }?.resume(returning: outcome)
    }

    fileprivate var expectsMore: Bool { state.withLock { $0.producers > 0 || $0.planner.count > 0 } }

    private func close() {
        let waiting = state.withLock { state in
            state.closed = true
            return state.planner.removeAll()
        }
        for pending in waiting { pending.answer.resume(returning: .cancelled) }
    }
}

/// Answers an item as soon as its runner tells its outcome, and passes the rest on.
private struct BatchObserver: ItemObserver {
    let observer: any ItemObserver
    let batcher: ItemBatcher
    let onRoom: @Sendable () -> Void

    func began(_ items: [ItemID]) { observer.began(items) }
    func ended(_ item: ItemID, _ outcome: ItemOutcome) { batcher.answer(item, outcome) }
    func hasRoom() { onRoom() }
    var expectsMore: Bool { batcher.expectsMore }
    func progress(_ progress: JobProgress, of item: ItemID) { observer.progress(progress, of: item) }
    func log(_ line: LogLine, of item: ItemID?) { observer.log(line, of: item) }
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {
        try await observer.checkpoint(path: path, position: position, of: item)
    }
}
