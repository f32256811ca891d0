import MillraceScaling
import MillraceSimulation
import Testing

@Suite(.timeLimit(.minutes(5))) struct ScalingWorldTests {
    /// A thousand days: `dev/sim --fleet-days 1000`.
    @Test func `a hundred days of takeovers, crashes and machines taken away kill no busy worker and lose no job`() async throws {
        var settings = ScalingWorldSettings()
        (settings.days, settings.jobsPerDay) = (100, 20)
        let report = try await ScalingWorld(seed: 1, settings, policy: PlainPolicy()).run()
        #expect(report.jobs > 1000 && report.done == report.jobs && report.lost == 0 && report.doubled == 0, "\(report)")
        #expect(report.busyKills == 0, "\(report)")
        // It was not for lack of trouble.
        #expect(report.notices > 30 && report.crashes > 20 && report.controllerCrashes > 30 && report.retired > 500, "\(report)")
    }
}
