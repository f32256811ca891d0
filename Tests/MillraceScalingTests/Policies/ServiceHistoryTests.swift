import Foundation
import MillraceCore
import Testing

@testable import MillraceScaling

@Suite("What jobs take") struct ServiceHistoryTests {
    /// Hundreds of jobs of half a second.
    private func short() -> ServiceHistory {
        var history = ServiceHistory()
        for _ in 0..<500 { history.noteEnds(1, each: 0.5) }
        return history
    }

    private func seconds(_ history: ServiceHistory) -> Double { history.measure?.secondsPerJob ?? 0 }

    @Test func `jobs that run far longer than others did are believed before the first has ended`() {
        var history = short()
        history.noteBusy(8, running: 4)
        #expect(abs(seconds(history) - 0.5) < 1e-9)
        // Each of four has taken ten seconds, and as far as anybody knows is half done.
        history.noteBusy(32, running: 4)
        #expect(seconds(history) == 20 && history.recentSizes == [20, 20, 20, 20])
    }

    @Test func `the more jobs say so, the less each has to say`() {
        func believed(_ running: Int) -> Double {
            var history = short()
            var each = 0.0
            while seconds(history) < 0.6 {
                history.noteBusy(0.1 * Double(running), running: running)
                each += 0.1
            }
            return each
        }
        let needed = [1, 4, 20].map(believed)
        #expect(needed[0] > 20 && needed[0] < 30 && needed[1] < 5 && needed[2] < 1.5)
    }

    @Test func `when the first long job has ended it is not forgotten while others run`() {
        var history = short()
        history.noteBusy(200, running: 4)
        history.noteEnds(1, each: 50)
        history.noteBusy(8, running: 4)
        #expect(seconds(history) > 10)
    }

    @Test(arguments: [(0.5, 50.0), (50.0, 0.5)])
    func `four jobs of another kind make hundreds forgotten`(before: Double, after: Double) {
        var history = ServiceHistory()
        for _ in 0..<500 { history.noteEnds(1, each: before) }
        for _ in 0..<4 { history.noteEnds(1, each: after) }
        #expect(abs(seconds(history) - after) < 1e-9 && history.measure?.samples == 4)
        #expect(history.recentSizes == [Double](repeating: after, count: 4))
    }

    @Test(arguments: [(4, 60.0), (8, 60.0), (16, 60.0), (8, 600.0)])
    func `an episode of long jobs is over when short ones end again`(count: Int, each: Double) {
        var history = ServiceHistory()
        for _ in 0..<400 { history.noteEnds(1, each: 1) }
        for _ in 0..<count { history.noteEnds(1, each: each) }
        #expect(seconds(history) == each)
        for _ in 0..<4 { history.noteEnds(1, each: 1) }
        #expect(seconds(history) < 1 + each / 100, "the first of them were taken for chance")
    }

    @Test func `what has lasted is no episode`() {
        var history = short()
        for _ in 0..<40 { history.noteEnds(1, each: 50) }
        for _ in 0..<4 { history.noteEnds(1, each: 0.5) }
        #expect(history.measure!.samples < 100, "hundreds of half a second came back")
    }

    @Test func `one long job among short ones is no other kind, and nor are all that begin together`() {
        var history = short()
        history.noteEnds(1, each: 50)
        history.noteEnds(1, each: 0.5)
        #expect(seconds(history) < 0.7 && (history.measure?.samples ?? 0) > 300)
        // Twenty workers that became ready together: for nearly as long as a job takes none ends.
        var together = ServiceHistory()
        for _ in 0..<40 {
            together.noteBusy(20 * 49, running: 20)
            #expect(together.measure.map { abs($0.secondsPerJob - 50) < 1e-9 } ?? true)
            for _ in 0..<20 { together.noteEnds(1, each: 50) }
        }
        #expect((together.measure?.samples ?? 0) == 400)
    }

    @Test func `jobs of many sizes are of one kind`() {
        var random = SeededRandom(seed: 7)
        var history = ServiceHistory()
        var least = Double.infinity
        for job in 0..<20_000 {
            history.noteEnds(1, each: 2 * exp(1.5 * random.normal() - 1.5 * 1.5 / 2))
            if job > 1000 { least = min(least, history.measure?.samples ?? 0) }
        }
        #expect(least == 400)
    }

    @Test func `who holds nothing has taken nothing`() {
        var history = short()
        history.noteBusy(3600, running: 0)
        #expect(abs(seconds(history) - 0.5) < 1e-9)
        history.noteBusy(1, running: 1)
        #expect(abs(seconds(history) - 0.5) < 1e-9)
    }
}
