import MillraceCore
import MillraceInference
import MillraceProcesses
import MillraceWire

extension HandlerSession {
    /// Why a life ends.
    enum Ending: Equatable, Sendable {
        /// The handler closed a channel or exited by itself.
        case gone
        case fatal(String)
        /// It does not know what its model needs.
        case lacking(Set<HandlerProtocol.Feature>)
        case startLimit
        case violation(String)
        case hung
        case cancelOverdue(ItemID)
        /// The batch's caller left.
        case abandoned
        case shutdown
    }

    mutating func end(_ ending: Ending) -> [Action] {
        switch phase {
        case .ending, .ended: return []
        case .starting, .idle, .running, .settling: break
        }
        phase = .ending(ending)
        let stopping = (batch?.stopping ?? []).sorted().map { Action.clearTimer(.cancel($0)) }
        return [.clearTimer(.start), .clearTimer(.ping), .clearTimer(.pong)] + stopping + farewell(ending)
    }

    private func farewell(_ ending: Ending) -> [Action] {
        switch ending {
        case .gone, .fatal:
            return exit == nil ? [.setTimer(.terminate, limits.exitGrace)] : []
        case .shutdown where open.contains(.control):
            return [.sendControl(.shutdown(.init())), .setTimer(.terminate, limits.exitGrace)]
        case .startLimit, .lacking, .violation, .hung, .cancelOverdue, .abandoned, .shutdown:
            return [.signal(.terminate), .setTimer(.kill, limits.terminateGrace)]
        }
    }

    /// The process is gone. What it said before may still be on its way through the sockets, for a moment.
    mutating func exited(_ report: HandlerExit) -> [Action] {
        guard exit == nil, phase != .ended else { return [] }
        exit = report
        return end(.gone) + [.clearTimer(.terminate), .clearTimer(.kill)] + finishWhenHeard()
    }

    /// After the exit: a channel that closed has been read to its end, one that is open may be held by somebody else,
    /// and one that never said hello may wait to be accepted when the process lived only for a moment.
    mutating func finishWhenHeard() -> [Action] {
        guard open.isEmpty else { return [.setTimer(.drain, .seconds(2))] }
        return greeted.count == 2 ? finish() : [.setTimer(.drain, .milliseconds(100))]
    }

    /// The last step of a life.
    mutating func finish() -> [Action] {
        guard phase != .ended else { return [] }
        guard case .ending(let ending) = phase else { preconditionFailure("a life ends before it is finished") }
        let failure = failure(ending)
        phase = .ended
        endedAsAsked = ending == .abandoned || ending == .shutdown
        let remainder: BatchEnd.Remainder = endedAsAsked ? .abandoned : .lost(failure)
        return [.clearTimer(.drain)] + (batch == nil ? [] : finishBatch(with: remainder)) + [.ended(failure)]
    }

    /// Ends the batch; `remainder` says what became of items without an answer, `nil` that the handler says it.
    mutating func finishBatch(with remainder: BatchEnd.Remainder?) -> [Action] {
        guard let batch else { preconditionFailure("there is a batch to end") }
        self.batch = nil
        let stopping = batch.stopping.sorted().map { Action.clearTimer(.cancel($0)) }
        return stopping + [.batchEnded(batch.ended(with: batch.breakdown.map { .failed($0) } ?? remainder))]
    }

    /// What is said to whoever waits for the start or a batch when the life ended like this.
    func failure(_ ending: Ending) -> JobFailure {
        let wasReady = batchMax != nil && greeted.count == 2
        var failure = JobFailure(code(ending, wasReady: wasReady), text(ending, wasReady: wasReady), hint: hint, retryable: true)
        failure.stderrTail = exit.flatMap { $0.stderrTail.isEmpty ? nil : $0.stderrTail }
        return failure
    }

    private func code(_ ending: Ending, wasReady: Bool) -> ErrorCode {
        guard wasReady else { return .modelUnavailable }
        if case .violation = ending { return .handlerProtocol }
        return .handlerCrashed
    }

    private func text(_ ending: Ending, wasReady: Bool) -> String {
        switch ending {
        case .gone where exit?.status.isNotStarted == true: "the handler could not be started: \(exit!.status)"
        case .gone: "the handler \(exit.map { "\($0.status)" } ?? "left")\(wasReady ? "" : " before it was ready")"
        case .fatal(let message): "the handler cannot load its model: \(message)"
        case .lacking(let features):
            "the model's options need of its handler what it does not announce: \(features.map(\.rawValue).sorted().joined(separator: ", "))"
        case .startLimit: "the handler was not ready after \(limits.startMax.inSeconds)"
        case .violation(let what): "the handler broke the protocol: \(what)"
        case .hung: "the handler did not answer a ping for \(limits.pongMax.inSeconds) and was ended"
        case .cancelOverdue(let item): "the handler was ended because item \(item) did not stop within \(grace(of: item).inSeconds)"
        case .abandoned: "the handler was ended because its batch was given up"
        case .shutdown: "the handler was shut down"
        }
    }

    private var hint: String? {
        guard case .ending(.gone) = phase else { return nil }
        return exit?.status.hint
    }
}

/// How a handler's process ended.
struct HandlerExit: Equatable, Sendable {
    var status: ChildExit
    /// The end of its standard error.
    var stderrTail: String
}
