import MillraceCore
import MillraceProcesses
import Testing

@testable import MillraceRunnerHTTP

@Suite("How a model server stands")
struct ServerStandingTests {
    private let now = Timestamp(milliseconds: 1000)
    private let crash = JobFailure(.handlerCrashed, "it died", retryable: true)

    private func ready() -> ServerStanding {
        var standing = ServerStanding(HTTPRunnerLimits())
        standing.begin()
        standing.becameReady(at: "u")
        return standing
    }

    @Test("lets nobody send while it is doubted, and tells who doubted how it ended")
    func doubts() throws {
        var standing = ready()
        #expect(try standing.ready(since: 0)?.url == "u")
        standing.doubt(life: 0)
        #expect(try standing.verdict(on: 1) == .alive)
        standing.doubt(life: 1)
        #expect(try standing.ready(since: 0) == nil && standing.verdict(on: 1) == nil)
        standing.ended(crash, at: now)
        #expect(try standing.verdict(on: 1) == .ended(crash) && standing.ready(since: 0) == nil)
        standing.begin()
        standing.becameReady(at: "v")
        #expect(try standing.verdict(on: 1) == .ended(crash) && standing.verdict(on: 2) == .alive)
    }

    @Test("is waited for longer after each fall that no request explains, until a request is answered")
    func backoff() {
        var standing = ready()
        standing.isBusy = true
        standing.ended(crash, at: now)
        #expect(standing.backoff.wait(at: now) == nil)
        standing.isBusy = false
        for wait in [1, 2, 4] {
            standing.begin()
            standing.becameReady(at: "u")
            standing.ended(crash, at: now)
            #expect(standing.backoff.wait(at: now) == .seconds(wait))
        }
        standing.answered()
        #expect(standing.backoff.wait(at: now) == nil)
    }

    @Test("tells a failed start to those who wait, and nothing to those who come later")
    func failedStart() throws {
        var standing = ServerStanding(HTTPRunnerLimits())
        standing.begin()
        let failure = JobFailure(.modelUnavailable, "no weights", retryable: true)
        standing.ended(failure, at: now)
        #expect(throws: failure) { try standing.ready(since: 0) }
        #expect(try standing.ready(since: 1) == nil)
        standing.close()
        #expect(throws: CancellationError.self) { try standing.ready(since: 1) }
    }
}
