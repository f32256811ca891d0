import MillraceCore
import MillraceQueue
import MillraceSimulation
import Testing

@Suite("The auditor sees a store", .timeLimit(.minutes(3)))
struct AuditorTests {
    @Test("that takes stale tokens")
    func unfenced() async { await expectAlarm(.fence) { Unfenced($0) } }

    @Test("that loses a job")
    func loses() async { await expectAlarm(.lost) { Forgetful($0) } }

    @Test("that doubles a webhook")
    func doubles() async { await expectAlarm(.doubled) { Doubling($0) } }

    @Test("that brings an ended job back")
    func resurrects() async { await expectAlarm(.transition, .store, .lease, .lost) { Resurrecting($0) } }

    @Test("that hands a job out again while its worker lives")
    func impatient() async { await expectAlarm(.lease) { Impatient($0) } }

    @Test("that takes one key twice")
    func keyless() async { await expectAlarm(.idempotency) { Keyless($0) } }

    @Test("that collects a blob in use")
    func collects() async { await expectAlarm(.blob) { Collecting($0) } }

    @Test("that never takes a dead worker's jobs back")
    func forsakes() async { await expectAlarm(.stuck) { Forsaking($0) } }

    @Test("that counts a release as an attempt")
    func counts() async { await expectAlarm(.transition) { Counting($0) } }

    @Test("that lets everybody in")
    func unlimited() async { await expectAlarm(.quota) { Unlimited($0) } }

    @Test("that lets more run than may")
    func crowded() async { await expectAlarm(.quota, .fairness) { Crowded($0) } }

    @Test("that hears no operator")
    func pauseless() async { await expectAlarm(.mode, .fairness) { Pauseless($0) } }

    @Test("that takes every epoch")
    func epochless() async { await expectAlarm(.leadership) { Epochless($0) } }

    @Test("that hands out less than there is")
    func stingy() async { await expectAlarm(.fairness) { Stingy($0) } }

    @Test("that does not count requests for work")
    func overtakable() async { await expectAlarm(.lease) { Overtakable($0) } }

    /// Within a few seeds, and with the promise that is broken, not by accident with another one.
    private func expectAlarm(
        _ promises: Violation.Promise..., wrap: @escaping @Sendable (any Store) -> StoreProxy
    ) async {
        var settings = SimulationSettings()
        settings.steps = 4000
        settings.wrap = wrap
        for seed in 1..<25 as Range<UInt64> {
            guard let failure = await Simulation.run(seed: seed, settings).failure else { continue }
            #expect(promises.contains(failure.violation.promise), "\(failure.violation)")
            return
        }
        Issue.record("no alarm in two dozen seeds")
    }
}
