import MillraceCore
import MillraceInference
import MillraceTestSupport
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct RiskGateTests {
    private let marks = RecordingMarks()
    private let jobs = (1...40).map { JobID(high: 1, low: $0) }

    @Test func `a job is marked while it is inside, a suspect alone`() async throws {
        let gate = RiskGate(marks)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, job) in jobs.enumerated() {
                group.addTask {
                    for _ in 0..<20 {
                        try await gate.enter(for: [job], alone: index % 8 == 0) {
                            await Task.yield()
                            let marked = marks.jobs
                            #expect(marked.contains(job))
                            #expect(index % 8 != 0 || marked == [job])
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(marks.jobs.isEmpty)
    }

    @Test func `an error comes through, and leaves no mark`() async throws {
        let gate = RiskGate(marks)
        await #expect(throws: JobFailure.self) {
            try await gate.enter(for: [jobs[0]], alone: true) { throw JobFailure(.invalidInput, "bad") }
        }
        #expect(marks.jobs.isEmpty)
        try await gate.enter(for: [jobs[1]], alone: true) {}
    }

    @Test func `a cancelled suspect leaves, and those behind it go in`() async throws {
        let gate = RiskGate(marks)
        let (entered, leave, second) = (Signal<Void>(), Signal<Void>(), Signal<Void>())
        let holder = Task { [jobs] in
            try await gate.enter(for: [jobs[0]], alone: false) {
                entered.send()
                try await leave.next()
            }
        }
        try await entered.next()
        let suspect = Task { [jobs] in try await gate.enter(for: [jobs[1]], alone: true) {} }
        // Once it waits, nobody goes in beside the holder; what is behind it waits too.
        try await eventually {
            let probe = Task { [jobs] in try await gate.enter(for: [jobs[3]], alone: false) {} }
            await Task.yield()
            probe.cancel()
            return await { do { try await probe.value; return false } catch { return true } }()
        }
        let behind = Task { [jobs] in
            try await gate.enter(for: [jobs[2]], alone: false) { second.send() }
        }
        suspect.cancel()
        await #expect(throws: CancellationError.self) { try await suspect.value }
        try await second.next()
        try await behind.value
        leave.send()
        try await holder.value
        #expect(marks.jobs.isEmpty)
    }
}

/// What a crash would find.
final class RecordingMarks: RiskMarks {
    private let state = Mutex<[JobID: Int]>([:])
    var jobs: Set<JobID> { state.withLock { Set($0.keys) } }

    func mark(_ jobs: [JobID]) {
        state.withLock { state in
            for job in jobs { state[job, default: 0] += 1 }
        }
    }

    func unmark(_ jobs: [JobID]) {
        state.withLock { state in
            for job in jobs { state[job] = state[job]! > 1 ? state[job]! - 1 : nil }
        }
    }
}
