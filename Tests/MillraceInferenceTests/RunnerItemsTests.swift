import MillraceCore
import MillraceInference
import Testing

@Suite("What a runner remembers of items")
struct RunnerItemsTests {
    @Test("holds a request to stop that came before its item, once")
    func early() {
        var items = RunnerItems()
        let wasHere = items.stop(1, reason: .draining)
        #expect(!wasHere && !items.isSettled(1))
        items.admit([1, 2])
        #expect(items.isSettled(1) && items.stopping(1) == .draining && !items.isSettled(2))
        items.settle([2: .cancelled])
        let outcomes = items.take([1, 2])
        #expect(outcomes.count == 2 && outcomes.allSatisfy { if case .cancelled = $0 { true } else { false } })
        items.admit([1])
        #expect(!items.isSettled(1))
    }

    @Test("forgets what is not run again, and does not forget what runs when very many have failed")
    func forgotten() {
        var items = RunnerItems()
        items.admit([1])
        items.settle([1: .cancelled])
        for item in ItemID(2)...10_000 {
            items.admit([item])
            items.forget([item])
        }
        #expect(items.isSettled(1) && !items.stop(2, reason: .cancelled))
        #expect(items.take([1]).count == 1)
    }

    @Test("is bounded: of very many early requests the oldest are forgotten")
    func bounded() {
        var items = RunnerItems()
        for item in ItemID(1)...2000 { _ = items.stop(item, reason: .cancelled) }
        items.admit([1, 2000])
        #expect(!items.isSettled(1) && items.isSettled(2000))
    }
}
