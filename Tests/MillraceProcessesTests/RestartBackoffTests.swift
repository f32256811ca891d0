import MillraceCore
import MillraceProcesses
import Testing

@Suite("The wait before a restart")
struct RestartBackoffTests {
    @Test("doubles with each failure in a row up to its limit, and is over after a success")
    func doubles() {
        var backoff = RestartBackoff(base: .seconds(1), max: .seconds(30))
        let now = Timestamp(milliseconds: 5000)
        let actions29 = backoff.wait(at: now)
        #expect(actions29 == nil)
        backoff.failed(at: now)
        let actions30 = backoff.wait(at: now)
        #expect(actions30 == .seconds(1))
        backoff.failed(at: now)
        let actions31 = backoff.wait(at: now + .seconds(1))
        #expect(actions31 == .seconds(1))
        for _ in 0..<100 { backoff.failed(at: now) }
        let actions32 = backoff.wait(at: now)
        #expect(actions32 == .seconds(30))
        let actions33 = backoff.wait(at: now + .seconds(31))
        #expect(actions33 == nil)
        backoff.succeeded()
        let actions34 = backoff.wait(at: now)
        #expect(actions34 == nil)
    }
}
