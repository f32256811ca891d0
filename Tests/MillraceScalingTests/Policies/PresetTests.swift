import MillraceCore
import Testing

@testable import MillraceScaling

/// What people use today, counted by hand.
@Suite("Presets") struct PresetTests {
    private func wanted(_ preset: Preset, _ backlogs: [(seconds: Double, ready: Int, running: Int)]) -> [Int] {
        let subject = preset.policy(max: 20)
        var memory = PolicyMemory()
        var serving = 0
        return backlogs.map { backlog in
            var seen = observation(at: backlog.seconds, ready: backlog.ready, running: backlog.running, workers: busy(serving))
            seen.scaling = subject.scaling
            serving = subject.policy.decide(seen, &memory).desired
            return serving
        }
    }

    @Test(arguments: [(0, 0), (1, 1), (100, 1), (101, 2), (100_000, 2)])
    func `step alarms see waiting jobs alone: 1 worker from 1, 2 from 101, 0 at 0`(ready: Int, workers: Int) {
        #expect(wanted(.step, [(60, ready, 0)]) == [workers])
    }

    @Test func `step alarms drain a busy worker when nothing waits`() {
        let subject = Preset.step.policy(max: 20)
        let decision = subject.policy.decide(observation(ready: 0, running: 1, workers: busy(1)))
        #expect(decision.desired == 0)
        #expect(decision.drain == [WorkerID(high: 0, low: 1)])
    }

    @Test func `target tracking goes out at the third minute above, to the quotient of then`() {
        // ceil(11 / 5) = 3, ceil(21 / 5) = 5.
        #expect(wanted(.sagemaker, [(0, 0, 0), (60, 11, 0), (120, 11, 0), (180, 21, 0)]) == [0, 0, 0, 5])
    }

    @Test func `a minute that is not above begins the three anew`() {
        let minutes: [(Double, Int, Int)] = [(0, 0, 0), (60, 5, 0), (120, 5, 0), (180, 0, 0), (240, 5, 0), (300, 5, 0), (360, 5, 0)]
        #expect(wanted(.sagemaker, minutes) == [0, 0, 0, 0, 0, 0, 1])
    }

    @Test func `target tracking goes in after fifteen minutes below, to the most wanted in them`() {
        var minutes: [(Double, Int, Int)] = [(0, 0, 0), (60, 50, 0), (120, 50, 0), (180, 50, 0)]
        for minute in 4...18 { minutes.append((Double(minute) * 60, minute == 7 ? 20 : 3, 0)) }
        let counts = wanted(.sagemaker, minutes)
        #expect(counts[3...17].allSatisfy { $0 == 10 })
        #expect(counts[18] == 4)
    }

    @Test func `KEDA goes out at once and in after 300 s to the most wanted in that time`() {
        var polls: [(Double, Int, Int)] = [(0, 50, 0), (30, 30, 0)]
        for poll in 2...11 { polls.append((Double(poll) * 30, 0, 5)) }
        let counts = wanted(.keda, polls)
        #expect(counts[0] == 10 && counts[9] == 10)
        #expect(counts[10] == 6)
        #expect(counts[11] == 1)
    }

    @Test func `no preset wants more than there may be`() {
        for preset in [Preset.keda, .step, .alwaysOn] { #expect(wanted(preset, [(0, 10_000, 0)])[0] <= 20) }
    }
}
