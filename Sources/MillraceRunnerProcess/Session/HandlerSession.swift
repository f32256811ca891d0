import MillraceCore
import MillraceInference
import MillraceProcesses
import MillraceWire

/// One life of a handler, from its start to its exit, as a value: it is told what happened and answers what to do.
///
/// It holds no socket, process or clock, so each rule of the protocol is tested by calling a function. A life that went
/// wrong always goes on until the process is gone; only then are its waiters answered, because only then are the exit
/// status, the last lines of standard error and the device's memory there.
struct HandlerSession {
    enum Timer: Hashable, Sendable {
        case start, ping, pong, cancel(ItemID), terminate, kill, drain
    }

    enum Action: Equatable, Sendable {
        case sendControl(RunnerControlMessage)
        case sendWork(RunnerWorkMessage.Run)
        case setTimer(Timer, Duration)
        case clearTimer(Timer)
        case signal(ChildProcess.Signal)
        case progress(JobProgress, ItemID)
        case log(LogLine, ItemID?)
        case checkpoint(HandlerControlMessage.Checkpoint)
        /// The model is loaded.
        case ready(batchMax: Int)
        case batchEnded(BatchEnd)
        /// The life is over; `ready` will never come if it has not.
        case ended(JobFailure)
    }

    enum Phase: Equatable {
        case starting
        case idle
        case running
        /// The batch is done; a last pong makes sure that all it said on the control channel has been heard.
        case settling(ping: Int64)
        /// The process is leaving, or being made to.
        case ending(Ending)
        case ended
    }

    let limits: ProcessRunnerLimits
    /// What the model needs its handler to know.
    let requires: Set<HandlerProtocol.Feature>
    var phase = Phase.starting
    var batch: HandlerBatch?
    var batchMax: Int?
    var open: Set<HandlerProtocol.Channel> = []
    var greeted: Set<HandlerProtocol.Channel> = []
    var exit: HandlerExit?
    var endedAsAsked = false
    private var pings: Int64 = 0
    private var batches: Int64 = 0

    init(limits: ProcessRunnerLimits, requires: Set<HandlerProtocol.Feature> = []) {
        self.limits = limits
        self.requires = requires
    }

    // MARK: What the runner wants

    func started() -> [Action] { [.setTimer(.start, limits.startMax)] }

    /// Sends a batch. Its end is a `batchEnded`, in this life or with it.
    mutating func run(_ items: [RunnerWorkMessage.Item]) -> [Action] {
        precondition(batch == nil, "a handler runs one batch at a time")
        batches += 1
        batch = HandlerBatch(id: batches, items: items.map(\.item))
        guard phase == .idle else { return finishBatch(with: .unsent) }
        phase = .running
        return [.sendWork(RunnerWorkMessage.Run(batch: batches, items: items))]
    }

    mutating func cancel(_ item: ItemID, reason: CancellationReason) -> [Action] {
        guard phase == .running, batch?.isUnanswered(item) == true else { return [] }
        let isFirst = batch?.stopping.insert(item).inserted == true
        let startsDraining = reason == .draining && batch?.draining.insert(item).inserted == true
        let reason = RunnerControlMessage.Cancel.Reason(rawValue: reason.rawValue)!
        return [.sendControl(.cancel(.init(item: item, reason: reason)))]
            + (isFirst || startsDraining ? [.setTimer(.cancel(item), grace(of: item))] : [])
    }

    /// How long an item that was asked to stop may go on.
    func grace(of item: ItemID) -> Duration {
        batch?.draining.contains(item) == true ? min(limits.drainGrace, limits.cancelGrace) : limits.cancelGrace
    }

    /// Ends the life in good order.
    mutating func shutdown() -> [Action] { end(.shutdown) }

    /// Ends the life because nobody waits for its start or its batch any more.
    mutating func abandon() -> [Action] { batch == nil && phase != .starting ? [] : end(.abandoned) }

    // MARK: Time

    mutating func fired(_ timer: Timer) -> [Action] {
        switch timer {
        case .start: return phase == .starting ? end(.startLimit) : []
        case .ping: return ping()
        case .pong: return end(.hung)
        case .cancel(let item): return phase == .running ? end(.cancelOverdue(item)) : []
        case .terminate: return [.signal(.terminate), .setTimer(.kill, limits.terminateGrace)]
        case .kill: return [.signal(.kill)]
        case .drain: return finish()
        }
    }

    private mutating func ping(after batch: Int64? = nil) -> [Action] {
        guard phase == .idle || phase == .running else { return [] }
        pings += 1
        return [.sendControl(.ping(.init(seq: pings, batch: batch))), .setTimer(.pong, limits.pongMax)]
    }

    mutating func pong(_ sequence: Int64) -> [Action] {
        guard sequence >= 1, sequence <= pings else { return violated("a pong to a ping that was never sent") }
        guard sequence == pings else { return [] }
        let next: [Action] = [.clearTimer(.pong), .setTimer(.ping, limits.pingEvery)]
        guard phase == .settling(ping: sequence) else { return phase == .idle || phase == .running ? next : [] }
        phase = .idle
        return next + finishBatch(with: nil)
    }

    /// After `done`: what the handler said about its batch on the other channel is in front of this ping's pong.
    mutating func settle() -> [Action] {
        let actions = ping(after: batch?.id)
        phase = .settling(ping: pings)
        return actions
    }
}
