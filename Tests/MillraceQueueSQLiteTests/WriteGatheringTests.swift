import MillraceCore
import Testing

@testable import MillraceQueueSQLite

@Suite("What the writer takes next")
struct WriteGatheringTests {
    private let start = ContinuousClock.now
    private let patience: Duration = .milliseconds(4)
    private let window: Duration = .milliseconds(20)

    @Test("is what came, in its order, up to the limit")
    func order() {
        var gathering = WriteGathering(patience: patience, window: window)
        for number in 0..<3 { gathering.add(NumberedWrite(number), number == 1 ? .patient : .prompt, at: start) }
        #expect(gathering.numbers(atMost: 2, at: start) == [0, 1])
        #expect(gathering.numbers(atMost: 2, at: start) == [2])
        #expect(gathering.numbers(atMost: 2, at: start) == nil)
    }

    @Test("is a patient write at once where prompt ones are few")
    func alone() {
        var gathering = WriteGathering(patience: patience, window: window)
        gathering.bringPromptOnes(WriteGathering.siblings - 1, at: start)
        gathering.add(NumberedWrite(0), .patient, at: start)
        #expect(gathering.numbers(at: start) == [0])
        // Enough of them, but long ago.
        gathering.bringPromptOnes(WriteGathering.siblings, at: start)
        let later = start + window
        gathering.add(NumberedWrite(1), .patient, at: later)
        #expect(gathering.numbers(at: later) == [1])
    }

    @Test("is a patient write with the next prompt one, where they come one after the other")
    func along() {
        var gathering = WriteGathering(patience: patience, window: window)
        gathering.bringPromptOnes(WriteGathering.siblings, at: start)
        gathering.add(NumberedWrite(0), .patient, at: start)
        #expect(gathering.runs(at: start) == [0])
        #expect(gathering.waitsUntil(at: start) == start + patience)
        gathering.add(NumberedWrite(1), .prompt, at: start)
        #expect(gathering.numbers(at: start) == [1])
        #expect(gathering.numbers(at: start) == nil)
    }

    @Test("is a patient write alone when its patience is over, counted from the first one")
    func limit() {
        var gathering = WriteGathering(patience: patience, window: window)
        gathering.bringPromptOnes(WriteGathering.siblings, at: start)
        gathering.add(NumberedWrite(0), .patient, at: start)
        gathering.add(NumberedWrite(1), .patient, at: start + .milliseconds(3))
        #expect(gathering.runs(at: start + .milliseconds(3)) == [0, 1])
        #expect(gathering.waitsUntil(at: start + .milliseconds(3)) == start + patience)
        #expect(gathering.numbers(at: start + patience) == [], "the open transaction is complete")
        gathering.add(NumberedWrite(2), .patient, at: start + .milliseconds(5))
        #expect(gathering.runs(at: start + .milliseconds(5)) == [2])
        #expect(gathering.waitsUntil(at: start + .milliseconds(5)) == start + .milliseconds(5) + patience)
        gathering.transactionEnded()
        #expect(gathering.numbers(at: start + .milliseconds(6)) == nil)
    }

    @Test("is a look at once, which completes no transaction that patient writes keep open")
    func look() {
        var gathering = WriteGathering(patience: patience, window: window)
        gathering.bringPromptOnes(WriteGathering.siblings, at: start)
        gathering.add(NumberedWrite(0), .patient, at: start)
        gathering.add(NumberedWrite(1), .look, at: start)
        #expect(gathering.runs(at: start) == [0, 1])
        #expect(gathering.waitsUntil(at: start) != nil)
        gathering.add(NumberedWrite(2), .look, at: start)
        #expect(gathering.runs(at: start) == [2])
        gathering.add(NumberedWrite(3), .prompt, at: start)
        #expect(gathering.numbers(at: start) == [3])
        gathering.add(NumberedWrite(4), .look, at: start)
        #expect(gathering.numbers(at: start) == [4], "nothing is open")
    }
}

extension WriteGathering {
    fileprivate mutating func bringPromptOnes(_ count: Int, at time: ContinuousClock.Instant) {
        for number in 0..<count { add(NumberedWrite(100 + number), .prompt, at: time) }
        _ = next(atMost: count, at: time)
    }

    /// `nil` when there is nothing to do now.
    fileprivate mutating func numbers(atMost limit: Int = 100, at time: ContinuousClock.Instant) -> [Int]? {
        guard case .commit(let batch) = next(atMost: limit, at: time) else { return nil }
        return batch.map { ($0 as? NumberedWrite)?.number ?? -1 }
    }

    fileprivate mutating func runs(at time: ContinuousClock.Instant) -> [Int]? {
        guard case .run(let batch) = next(atMost: 100, at: time) else { return nil }
        return batch.map { ($0 as? NumberedWrite)?.number ?? -1 }
    }

    fileprivate mutating func waitsUntil(at time: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        guard case .wait(let until) = next(atMost: 100, at: time) else { return nil }
        return until
    }
}

private final class NumberedWrite: PendingWrite {
    let number: Int
    let isLook = false
    init(_ number: Int) { self.number = number }
    func run(_ step: WriteStep) throws {}
    func fail(_ error: any Error) {}
    func end(with error: (any Error)?) {}
}
