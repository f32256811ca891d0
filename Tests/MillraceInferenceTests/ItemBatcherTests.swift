import MillraceCore
import MillraceTestSupport
import Synchronization
import Testing

@testable import MillraceInference

@Suite struct ItemBatcherTests {
    private let job = JobID(high: 1, low: 1)

    @Test func `every item gets its own outcome`() async {
        await withBatcher(ScriptedRunner { batch in batch.map { .tensors(["out": $0.tensor]) } }) { batcher, _ in
            let outcomes = await runAll(0..<50, on: batcher)
            for (value, outcome) in outcomes {
                guard case .tensors(let tensors) = outcome else {
                    Issue.record("item \(value): \(outcome)")
                    continue
                }
                #expect(tensors["out"]?.integers == [Int64(value)])
            }
        }
    }

    @Test func `a bad item is found by halves and fails alone`() async {
        let runner = ScriptedRunner { batch in
            if batch.contains(where: { $0.tensor.integers == [13] }) {
                throw BatchFailure.unattributed(JobFailure(.handlerError, "13 is bad"))
            }
            return batch.map { .tensors(["out": $0.tensor]) }
        }
        await withBatcher(runner) { batcher, _ in
            for (value, outcome) in await runAll(0..<32, on: batcher) {
                switch outcome {
                case .failed(let failure):
                    #expect(value == 13)
                    #expect(failure.message == "13 is bad")
                case .tensors: #expect(value != 13)
                default: Issue.record("item \(value): \(outcome)")
                }
            }
        }
    }

    @Test func `out of memory halves the batch and goes on`() async {
        let runner = ScriptedRunner { batch in
            if batch.count > 2 { throw BatchFailure.outOfMemory("no room for \(batch.count)") }
            return batch.map { .tensors(["out": $0.tensor]) }
        }
        await withBatcher(runner) { batcher, _ in
            let outcomes = await runAll(0..<32, on: batcher)
            #expect(outcomes.allSatisfy { if case .tensors = $0.1 { true } else { false } })
        }
    }

    @Test func `one item alone that has no room fails as out_of_memory`() async {
        await withBatcher(ScriptedRunner { _ in throw BatchFailure.outOfMemory("none") }) { batcher, _ in
            guard case .failed(let failure) = await runAll(0..<1, on: batcher)[0].1 else {
                Issue.record("expected a failure")
                return
            }
            #expect(failure.code == "out_of_memory")
        }
    }

    @Test func `a cancelled item that waits is answered at once`() async {
        let entered = AsyncStream<Void>.makeStream()
        let leave = AsyncStream<Void>.makeStream()
        let runner = ScriptedRunner { batch in
            entered.continuation.yield()
            for await _ in leave.stream { break }
            return batch.map { .tensors(["out": $0.tensor]) }
        }
        await withBatcher(runner) { batcher, _ in
            let running = Task { await batcher.run(.init(id: batcher.makeItemID(), payload: payload(1)), of: job) { .cancelled } }
            for await _ in entered.stream { break }
            let waiting = Task { await batcher.run(.init(id: batcher.makeItemID(), payload: payload(2)), of: job) { .cancelled } }
            waiting.cancel()
            guard case .cancelled = await waiting.value else {
                Issue.record("expected the waiting item to be cancelled")
                return
            }
            leave.continuation.yield()
            guard case .tensors = await running.value else {
                Issue.record("expected the running item to be untouched")
                return
            }
        }
    }

    @Test func `an item whose runner tells its outcome early does not wait for its batch, and is not answered twice`() async {
        let (answers, answered) = AsyncStream<(ItemID, ItemOutcome)>.makeStream()
        let leave = AsyncStream<Void>.makeStream()
        let runner = EarlyRunner(early: 2, leave: leave.stream)
        let batcher = ItemBatcher(runner: runner, observer: SilentObserver(), policy: .init(), surroundings: .system)
        batcher.submit((1...3).map { id in
            ItemBatcher.Submission(item: .init(id: id, payload: payload(0)), job: job) { answered.yield((id, $0)) }
        })
        let runs = Task { await batcher.run() }
        var seen = answers.makeAsyncIterator()
        let first = await seen.next()
        #expect(first?.0 == 2 && first?.1.failureMessage == "early")
        leave.continuation.finish()
        for id: ItemID in [1, 3] {
            let next = await seen.next()
            #expect(next?.0 == id && next?.1.failureMessage == "late")
        }
        runs.cancel()
        await runs.value
        answered.finish()
        #expect(await seen.next() == nil)
    }

    @Test(arguments: [true, false])
    func `the next batch begins before the end of one that leaves room, and not before the end of one that does not`(leavesRoom: Bool) async {
        let (events, event) = AsyncStream<String>.makeStream()
        let leave = AsyncStream<Void>.makeStream()
        let runner = RoomyRunner(leavesRoom: leavesRoom, began: { event.yield($1 ? "\($0) began, more to come" : "\($0) began") }, leave: leave.stream)
        var policy = BatchingPolicy()
        policy.itemsMax = 1
        let batcher = ItemBatcher(runner: runner, observer: SilentObserver(), policy: policy, surroundings: .system)
        batcher.submit((1...2).map { id in
            ItemBatcher.Submission(item: .init(id: id, payload: payload(0)), job: job) { _ in event.yield("\(id) ended") }
        })
        let runs = Task { await batcher.run() }
        var (seen, iterator) = ([String](), events.makeAsyncIterator())
        for number in 0..<4 {
            // The first batch ends when the second has, or else when nothing else happens any more.
            if number == (leavesRoom ? 3 : 1) { leave.continuation.finish() }
            if let next = await iterator.next() { seen.append(next) }
        }
        #expect(seen == (
            leavesRoom
                ? ["1 began, more to come", "2 began", "2 ended", "1 ended"]
                : ["1 began, more to come", "1 ended", "2 began", "2 ended"]))
        runs.cancel()
        await runs.value
    }

    @Test func `what has no memory beside another batch is tried alone before it is blamed`() async {
        let runner = CrowdedRunner()
        await withBatcher(runner) { batcher, _ in
            let outcomes = await runAll(0..<64, on: batcher)
            #expect(outcomes.allSatisfy { if case .tensors = $0.1 { true } else { false } }, "\(outcomes.map(\.1))")
        }
        #expect(runner.wasCrowded)
    }

    @Test func `items that wait when the batcher ends are answered as cancelled`() async {
        let batcher = ItemBatcher(
            runner: ScriptedRunner { _ in [] }, observer: SilentObserver(), policy: .init(), surroundings: .system)
        let waiting = Task { await batcher.run(.init(id: 1, payload: payload(1)), of: job) { .draining } }
        let runs = Task { await batcher.run() }
        runs.cancel()
        await runs.value
        // Whether it came before or after the end, it is answered.
        switch await waiting.value {
        case .cancelled, .failed: break
        case let outcome: Issue.record("\(outcome)")
        }
    }

    @Test func `items for which no task waits are answered by their callbacks`() async {
        let runner = ScriptedRunner { batch in batch.map { .tensors(["out": $0.tensor]) } }
        await withBatcher(runner) { batcher, _ in
            var answers = submit(0..<100, on: batcher).makeAsyncIterator()
            var seen: [Int64] = []
            while seen.count < 100, case .tensors(let tensors)? = await answers.next() { seen += tensors["out"]!.integers }
            #expect(seen.sorted() == Array(0..<100))
        }
    }

    @Test func `an item for which no task waits can be stopped while it waits, and is refused after the end`() async {
        let batcher = ItemBatcher(runner: ScriptedRunner { _ in [] }, observer: SilentObserver(), policy: .init(), surroundings: .system)
        var stopped = submit(7..<8, on: batcher).makeAsyncIterator()
        batcher.cancel(7, of: job, reason: .cancelled)
        guard case .cancelled? = await stopped.next() else {
            Issue.record("expected the item to be stopped")
            return
        }
        let runs = Task { await batcher.run() }
        runs.cancel()
        await runs.value
        var refused = submit(8..<9, on: batcher).makeAsyncIterator()
        guard case .cancelled? = await refused.next() else {
            Issue.record("expected the item to be refused")
            return
        }
    }

    @Test func `a batch is at risk while it runs, a suspect's alone`() async throws {
        let marks = RecordingMarks()
        let seen = Mutex<[Set<JobID>]>([])
        let runner = ScriptedRunner { batch in
            seen.withLock { $0.append(marks.jobs) }
            return batch.map { .tensors(["out": $0.tensor]) }
        }
        let gate = RiskGate(marks)
        let batcher = ItemBatcher(runner: runner, observer: SilentObserver(), policy: .init(), surroundings: .system, risk: gate)
        let jobs = (0..<6).map { JobID(high: 1, low: UInt64($0 + 1)) }
        let items = jobs.map { _ in batcher.makeItemID() }
        async let outcomes = withTaskGroup(of: ItemOutcome.self) { group in
            for (index, job) in jobs.enumerated() {
                group.addTask {
                    await batcher.run(.init(id: items[index], payload: payload(index)), of: job, alone: index == 2) { .cancelled }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let runs = Task { await batcher.run() }
        #expect(await outcomes.count == 6)
        runs.cancel()
        await runs.value
        #expect(marks.jobs.isEmpty)
        let batches = seen.withLock { $0 }
        #expect(batches.filter { $0.contains(jobs[2]) } == [[jobs[2]]])
        #expect(Set(batches.flatMap { $0 }) == Set(jobs))
    }

    @Test func `an item whose batch waits for its turn at the gate can be stopped at once, and its mates still run`() async throws {
        let gate = RiskGate(nil)
        let ran = Mutex<[ItemID]>([])
        let runner = ScriptedRunner { batch in
            ran.withLock { $0 += batch.map(\.id) }
            return batch.map { .tensors(["out": $0.tensor]) }
        }
        let batcher = ItemBatcher(runner: runner, observer: SilentObserver(), policy: .init(), surroundings: .system, risk: gate)
        var answers = submit(1..<3, on: batcher).makeAsyncIterator()
        let runs = try await gate.enter(for: [JobID(high: 2, low: 2)], alone: true) {
            let runs = Task { await batcher.run() }
            while gate.waiting == 0 { await Task.yield() }
            batcher.cancel(1, of: job, reason: .cancelled)
            guard case .cancelled? = await answers.next() else { throw JobFailure(.internal, "the item was not stopped") }
            #expect(ran.withLock { $0 }.isEmpty)
            return runs
        }
        guard case .tensors? = await answers.next() else { throw JobFailure(.internal, "its mate did not run") }
        #expect(ran.withLock { $0 } == [2])
        runs.cancel()
        await runs.value
    }

    @Test func `a batch that becomes full while it waits runs at once`() async throws {
        let clock = ManualClock()
        var policy = BatchingPolicy()
        policy.itemsMax = 2
        let batcher = ItemBatcher(
            runner: ScriptedRunner { batch in batch.map { .tensors(["out": $0.tensor]) } }, observer: SilentObserver(), policy: policy,
            surroundings: clock.surroundings)
        let runs = Task { await batcher.run() }
        let (begun, made) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        let maker = Task {
            await batcher.producing {
                begun.continuation.yield()
                for await _ in made.stream {}
            }
        }
        for await _ in begun.stream { break }
        var first = submit(1..<2, on: batcher).makeAsyncIterator()
        // The loop waits for the item that is being made; time stands still, so only the second item can end the wait.
        try await clock.waitForSleepers(1)
        var second = submit(2..<3, on: batcher).makeAsyncIterator()
        guard case .tensors? = await first.next(), case .tensors? = await second.next() else {
            Issue.record("expected both to be run")
            return
        }
        made.continuation.finish()
        await maker.value
        runs.cancel()
        await runs.value
    }

    @Test func `what had no room is remembered by its cost`() async {
        let sizes = Sizes()
        let runner = ScriptedRunner { batch in
            if batch.reduce(0, { $0 + $1.cost }) > 100 { throw BatchFailure.outOfMemory("no room") }
            sizes.note(batch.count)
            return batch.map { .tensors(["out": $0.tensor]) }
        }
        await withBatcher(runner) { batcher, _ in
            for (values, cost) in [(0..<2, 80), (2..<66, 2)] {
                var answers = submit(values, cost: cost, on: batcher).makeAsyncIterator()
                for _ in values {
                    guard case .tensors? = await answers.next() else {
                        Issue.record("expected every item to be run")
                        return
                    }
                }
            }
            #expect(sizes.largest == 16)
        }
    }

    @Test func `an item that has no room alone makes no later batch smaller`() async {
        let sizes = Sizes()
        let runner = ScriptedRunner { batch in
            if batch.contains(where: { $0.tensor == Tensor([7] as [Int64], shape: [1]) }) { throw BatchFailure.outOfMemory("no room") }
            sizes.note(batch.count)
            return batch.map { .tensors(["out": $0.tensor]) }
        }
        await withBatcher(runner) { batcher, _ in
            var failed = 0
            for values in [0..<16, 16..<80] {
                var answers = submit(values, on: batcher).makeAsyncIterator()
                for _ in values { if case .failed? = await answers.next() { failed += 1 } }
            }
            #expect(failed == 1)
            #expect(sizes.largest == 16)
        }
    }

    private func submit(_ values: Range<Int>, cost: Int = 1, on batcher: ItemBatcher) -> AsyncStream<ItemOutcome> {
        let (answers, continuation) = AsyncStream<ItemOutcome>.makeStream()
        batcher.submit(
            values.map { value in
                ItemBatcher.Submission(item: .init(id: ItemID(value), payload: payload(value), cost: cost), job: job) { continuation.yield($0) }
            })
        return answers
    }

    private func runAll(_ values: Range<Int>, on batcher: ItemBatcher) async -> [(Int, ItemOutcome)] {
        await withTaskGroup(of: (Int, ItemOutcome).self) { group in
            for value in values {
                group.addTask {
                    (value, await batcher.run(.init(id: batcher.makeItemID(), payload: payload(value)), of: job) { .cancelled })
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    private func withBatcher<Runner: ModelRunner>(_ runner: Runner, _ body: (ItemBatcher, Runner) async -> Void) async {
        let batcher = ItemBatcher(runner: runner, observer: SilentObserver(), policy: .init(), surroundings: .system)
        let runs = Task { await batcher.run() }
        await body(batcher, runner)
        runs.cancel()
        await runs.value
    }
}

private final class Sizes: Sendable {
    private let state = Mutex(0)
    var largest: Int { state.withLock { $0 } }
    func note(_ size: Int) { state.withLock { $0 = max($0, size) } }
}

private func payload(_ value: Int) -> InferenceItem.Payload { .tensors(["in": Tensor([Int64(value)], shape: [1])]) }

extension InferenceItem {
    fileprivate var tensor: Tensor {
        guard case .tensors(let tensors) = payload else { preconditionFailure("a tensor item") }
        return tensors["in"]!
    }
}

/// A runner whose answers the test writes.
private struct ScriptedRunner: ModelRunner {
    let script: @Sendable ([InferenceItem]) async throws -> [ItemOutcome]
    init(_ script: @escaping @Sendable ([InferenceItem]) async throws -> [ItemOutcome]) { self.script = script }
    var signature: ModelSignature? { nil }
    func load() async throws {}
    func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        let outcomes = try await script(batch)
        return outcomes.isEmpty ? batch.map { _ in .cancelled } : outcomes
    }
    func cancel(_ item: ItemID, reason: CancellationReason) async {}
    func close() async {}
}

/// Tells of one item at once, and of all, in another way, when the test lets it.
private struct EarlyRunner: ModelRunner {
    let early: ItemID
    let leave: AsyncStream<Void>
    var signature: ModelSignature? { nil }
    func load() async throws {}
    func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        observer.ended(early, .failed(JobFailure(.handlerError, "early")))
        for await _ in leave {}
        return batch.map { _ in .failed(JobFailure(.handlerError, "late")) }
    }
    func cancel(_ item: ItemID, reason: CancellationReason) async {}
    func close() async {}
}

/// Has memory for one batch at a time, and leaves room all the same.
private final class CrowdedRunner: ModelRunner {
    private let running = Mutex((count: 0, wasCrowded: false))
    var wasCrowded: Bool { running.withLock(\.wasCrowded) }
    var signature: ModelSignature? { nil }
    func load() async throws {}
    func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        let isCrowded = running.withLock { running in
            running.count += 1
            running.wasCrowded = running.wasCrowded || running.count > 1
            return running.count > 1
        }
        defer { running.withLock { $0.count -= 1 } }
        observer.hasRoom()
        if isCrowded { throw BatchFailure.outOfMemory("beside another") }
        for _ in 0..<10 { await Task.yield() }
        return batch.map { .tensors(["out": $0.tensor]) }
    }
    func cancel(_ item: ItemID, reason: CancellationReason) async {}
    func close() async {}
}

/// Holds the batch of item 1 until the test lets it go.
private struct RoomyRunner: ModelRunner {
    let leavesRoom: Bool
    let began: @Sendable (_ item: ItemID, _ expectsMore: Bool) -> Void
    let leave: AsyncStream<Void>
    var signature: ModelSignature? { nil }
    func load() async throws {}
    func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        began(batch[0].id, observer.expectsMore)
        if leavesRoom { observer.hasRoom() }
        if batch[0].id == 1 { for await _ in leave {} }
        return batch.map { _ in .failed(JobFailure(.handlerError, "over")) }
    }
    func cancel(_ item: ItemID, reason: CancellationReason) async {}
    func close() async {}
}

extension ItemOutcome {
    fileprivate var failureMessage: String? { if case .failed(let failure) = self { failure.message } else { nil } }
}

private struct SilentObserver: ItemObserver {
    func progress(_ progress: JobProgress, of item: ItemID) {}
    func log(_ line: LogLine, of item: ItemID?) {}
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {}
}
