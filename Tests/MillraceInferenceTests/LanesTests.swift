import MillraceInference
import Synchronization
import Testing

@Suite("Lanes")
struct LanesTests {
    @Test("do every part once", arguments: [0, 1, 2, 7])
    func everyPart(lanes: Int) throws {
        let done = Mutex([Int](repeating: 0, count: 100))
        try Lanes.forEach(100, lanes: lanes) { part in done.withLock { $0[part] += 1 } }
        #expect(done.withLock { $0 } == Array(repeating: 1, count: 100))
        try Lanes.forEach(0, lanes: lanes) { _ in Issue.record("there is no part") }
    }

    @Test("end with the first error", arguments: [1, 2])
    func failure(lanes: Int) {
        struct Broken: Error {}
        let begun = Mutex(0)
        #expect(throws: Broken.self) {
            try Lanes.forEach(1000, lanes: lanes) { part in
                begun.withLock { $0 += 1 }
                if part == 3 { throw Broken() }
            }
        }
        // With several lanes, how far the others are by then is up to the machine.
        if lanes == 1 { #expect(begun.withLock { $0 } == 4) }
    }
}
