import MillraceCore
import MillraceProcesses

/// How a model server stands, as a value: it is told what happened and answers who may go on.
///
/// A *life* is the time from one start of the server to its end; a server that is not ours begins another one when it is
/// ready again after it was gone.
struct ServerStanding: Sendable {
    enum Phase: Sendable, Equatable {
        /// Nobody may send anything: the server is not ready, or waits to be started again.
        case starting
        case ready(url: String)
        /// Something went wrong. Nothing new is sent until the server was asked whether it is ready.
        case doubted(url: String)
        case closed
    }

    /// What became of a life in which something went wrong.
    enum Verdict: Equatable, Sendable {
        case alive
        case ended(JobFailure)
    }

    private(set) var phase = Phase.starting
    private(set) var life = 0
    /// Whether a batch is being run.
    var isBusy = false
    /// Requests under way.
    private(set) var requests = 0
    /// Told by the process of this life.
    private(set) var hasExited = false
    private(set) var failedStarts = 0
    /// How the last life, or the last start, ended.
    private(set) var loss: JobFailure?
    private(set) var backoff: RestartBackoff

    init(_ limits: HTTPRunnerLimits) {
        backoff = RestartBackoff(base: limits.restartBackoffBase, max: limits.restartBackoffMax)
    }

    // MARK: What happened

    mutating func begin() {
        guard phase != .closed else { return }
        life += 1
        hasExited = false
        phase = .starting
    }

    mutating func becameReady(at url: String) {
        guard phase != .closed else { return }
        phase = .ready(url: url)
    }

    mutating func exited(life: Int) {
        guard life == self.life else { return }
        hasExited = true
    }

    /// The life that something went wrong in may be over long since.
    mutating func doubt(life: Int) {
        guard life == self.life, case .ready(let url) = phase else { return }
        phase = .doubted(url: url)
    }

    mutating func ended(_ failure: JobFailure, at now: Timestamp) {
        guard phase != .closed else { return }
        let wasReady = phase != .starting
        if !wasReady { failedStarts += 1 }
        // An input may have brought a server down, and is found by trying the others again at once; a server that falls
        // by itself would do so for ever.
        if !wasReady || !isBusy { backoff.failed(at: now) }
        loss = failure
        phase = .starting
    }

    mutating func sent() { requests += 1 }
    mutating func received() { requests -= 1 }
    /// The server has done what it is for.
    mutating func answered() { backoff.succeeded() }

    mutating func close() { phase = .closed }

    // MARK: Who may go on

    /// Where to send requests and in which life; `nil`: not yet.
    /// - Parameter starts: ``failedStarts`` when the wait began.
    /// - Throws: ``JobFailure`` `model_unavailable` when a start failed meanwhile; `CancellationError` when there will be none.
    func ready(since starts: Int) throws -> (url: String, life: Int)? {
        switch phase {
        case .ready(let url): return (url, life)
        case .closed: throw CancellationError()
        case .starting where failedStarts > starts: throw loss ?? JobFailure(.modelUnavailable, "the model server did not start")
        case .starting, .doubted: return nil
        }
    }

    /// What became of a life; `nil`: not known yet.
    func verdict(on life: Int) throws -> Verdict? {
        switch phase {
        case .closed: throw CancellationError()
        case .ready where life == self.life: return .alive
        case .doubted where life == self.life: return nil
        case .starting, .ready, .doubted: return loss.map { .ended($0) } ?? .alive
        }
    }

    /// Whether the watch has something to do.
    var needsLook: Bool {
        if hasExited { return true }
        if case .doubted = phase { return true }
        return phase == .closed
    }
}
