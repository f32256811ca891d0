import MillraceCore
import MillraceInference
import MillraceTestSupport
import MillraceWire
import Testing

@testable import MillraceWorker

@Suite struct StoppedAttemptTests {
    private let held = HeldJobs()
    private let leased = LeasedJob(
        id: JobID(high: 1, low: 1), token: LeaseToken(high: 2, low: 1), attempt: 1, createdAt: ManualClock().now, parameters: nil, input: nil,
        files: [], checkpoint: nil, traceparent: nil)

    init() { held.add([leased]) }

    private var timedOut: SettleRequest.Outcome { .stopped(.timeout, at: held.stage(leased.token) ?? .preparing, runLimit: .seconds(8)) }

    @Test func `a time limit that passes while all items wait is not the job's failure`() {
        held.assign(1, to: leased.token)
        held.begin([2])
        guard case .released(let reason) = timedOut else {
            Issue.record("\(timedOut)")
            return
        }
        #expect(reason.contains("waited behind other jobs"))
    }

    @Test func `a time limit that passes after one item began is the job's failure, whatever waits since`() {
        held.assign(1, to: leased.token)
        held.begin([1])
        held.unassign(1)
        held.assign(2, to: leased.token)
        guard case .failed(let failure) = timedOut else {
            Issue.record("\(timedOut)")
            return
        }
        #expect(failure.code == "run_limit_exceeded" && failure.message == "the attempt ran longer than 8 s")
    }

    @Test func `a job that takes all its time to make its first item fails, and is not run for ever`() {
        guard case .failed(let failure) = timedOut else {
            Issue.record("\(timedOut)")
            return
        }
        #expect(failure.code == "run_limit_exceeded")
    }

    @Test func `what else stops an attempt does not ask how far it came`() {
        held.assign(1, to: leased.token)
        for stage in [HeldJobs.Stage.preparing, .waiting, .running] {
            guard case .cancelled = SettleRequest.Outcome.stopped(.cancelled, at: stage, runLimit: .seconds(8)),
                case .released("the worker is stopping") = SettleRequest.Outcome.stopped(.draining, at: stage, runLimit: .seconds(8))
            else {
                Issue.record("\(stage)")
                continue
            }
        }
    }
}
