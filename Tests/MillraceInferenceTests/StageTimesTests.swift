import MillraceInference
import Testing

@Suite struct StageTimesTests {
    private func times(_ seconds: [StageTimes.Stage: Double]) -> StageTimes {
        var times = StageTimes()
        for (stage, seconds) in seconds { times.note(stage, seconds: seconds) }
        return times
    }

    @Test func `until it is measured, two batches are on their way`() {
        #expect(StageTimes().window(itemsMax: 16) == 32 && StageTimes().jobsHeld(itemsMax: 16) == 32)
        #expect(times([.decode: 1]).window(itemsMax: 16) == 32)
        #expect(StageTimes().window(itemsMax: 0) == 2)
    }

    @Test(arguments: [(0.001, 0.010, 32), (0.010, 0.010, 32), (0.020, 0.010, 48), (0.0201, 0.010, 49), (0.030, 0.010, 64), (5, 0.001, 64), (1, 0, 32)])
    func `slow making widens the window, to four batches and no further`(decode: Double, run: Double, window: Int) {
        #expect(times([.decode: decode, .run: run]).window(itemsMax: 16) == window)
    }

    @Test func `jobs also take their places while they are fetched and stored`() {
        let times = times([.fetch: 0.010, .decode: 0.005, .run: 0.010, .store: 0.010])
        #expect(times.window(itemsMax: 8) == 16)
        #expect(times.jobsHeld(itemsMax: 8) == 28)
    }

    @Test func `ended jobs gather for as long as two items take, when that is worth a wait, and never for long`() {
        #expect(StageTimes().gathering == .zero)
        #expect(times([.run: 0.0001]).gathering == .zero)
        #expect(times([.run: 0.002]).gathering == .milliseconds(4))
        #expect(times([.run: 60]).gathering == .milliseconds(20))
    }

    @Test func `a mean follows what is newer, and one odd job does not turn it over`() {
        var times = times([.run: 0.010])
        times.note(.run, seconds: 0.020)
        #expect(abs(times[.run]! - 0.011) < 1e-9)
        for _ in 0..<60 { times.note(.run, seconds: 0.020) }
        #expect(abs(times[.run]! - 0.020) < 1e-4)
        #expect(times[.fetch] == nil)
    }
}
