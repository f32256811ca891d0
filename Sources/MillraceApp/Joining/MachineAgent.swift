import Foundation
import Logging
import MillraceCore
import MillraceProcesses
import MillraceWire
import MillraceWorker
import ServiceLifecycle
import Synchronization

/// Looks after the workers of a joined machine: says what runs, hears what ought to, starts and stops it. One for each machine.
///
/// It outlives its gateway: while none is reached, workers go on, and the agent asks again with longer and longer waits.
final class MachineAgent: Service {
    /// How one worker of this machine is started; it finds the worker key on its standard input.
    typealias MakeCommand = @Sendable (_ order: MachineOrders.Worker) -> ChildCommand?

    private static let pollSeconds = 10.0

    private struct State {
        var crew: Crew
        var processes: [String: WorkerProcess] = [:]
        /// The last that was read.
        var key: String?
        /// Bytes from workers that found no room in the log.
        var unwritten = 0
        /// What the gateway said last, so that it is logged once.
        var notes: [String]?
    }

    private let state: Mutex<State>
    private let bell = Bell()
    private let gateway: AgentConnection
    private let key: WorkerKeySource
    private let data: DataDirectory
    private let surroundings: Surroundings
    private let logger: Logger
    private let makeCommand: MakeCommand

    init(
        crew: Crew, gateway: AgentConnection, key: WorkerKeySource, data: DataDirectory, surroundings: Surroundings, logger: Logger,
        makeCommand: @escaping MakeCommand
    ) {
        state = Mutex(State(crew: crew))
        self.gateway = gateway
        self.key = key
        self.data = data
        self.surroundings = surroundings
        self.logger = logger
        self.makeCommand = makeCommand
    }

    /// Until it is told to stop, and its workers have.
    /// - Throws: what the gateway refuses for good: a key that is not valid, a name that another machine has.
    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let (orders, start) = AsyncStream<MachineOrders.Worker>.makeStream()
            group.addTask {
                await withDiscardingTaskGroup { workers in
                    for await order in orders { workers.addTask { await self.supervise(order) } }
                }
            }
            group.addTask { await self.watch() }
            let ending: Result<Void, any Error>
            do {
                try await withGracefulShutdownHandler {
                    try await self.converse { start.yield($0) }
                } onGracefulShutdown: {
                    self.drain()
                }
                ending = .success(())
                // The gateway looks for another place at once.
                await tellOnce()
            } catch {
                ending = .failure(error)
                drain()
            }
            start.finish()
            await waitForWorkers()
            if case .success = ending { await tellOnce() }
            group.cancelAll()
            try ending.get()
        }
    }
}

// What is said and heard.
extension MachineAgent {
    private func converse(start: (MachineOrders.Worker) -> Void) async throws {
        var trouble = Trouble()
        while !state.withLock({ $0.crew.isDraining }) {
            let rings = bell.rings
            let report = state.withLock { $0.crew.report(waitSeconds: Self.pollSeconds) }
            do {
                guard let orders = try await unlessRung(after: rings, { try await self.tell(report) }) else { continue }
                if trouble.failures > 0 { logger.info("the gateway is there again") }
                trouble = Trouble(hasJoined: true)
                follow(orders, after: report, start)
            } catch is CancellationError {
                return drain()
            } catch {
                if let refusal = JoinRefusal.reason(for: error, at: gateway.base, hasJoined: trouble.hasJoined) { throw refusal }
                if try trouble.shallWarn(of: error, at: surroundings.now()) {
                    logger.warning("gateway not reached; the workers go on", metadata: ["error": "\(error)"])
                }
                let wait = Duration.backoff(after: trouble.failures, upTo: .seconds(15), surroundings)
                _ = try? await unlessRung(after: rings) { try await self.surroundings.sleep(wait) }
            }
        }
    }

    private func tell(_ report: MachineReport) async throws -> MachineOrders {
        try await gateway.tell(report, key: currentKey())
    }

    /// A file that is just being written shows no key for a moment.
    private func currentKey() throws -> String {
        do {
            let text = try key.read()
            state.withLock { $0.key = text }
            return text
        } catch {
            guard let known = state.withLock({ $0.key }) else { throw error }
            return known
        }
    }

    private func tellOnce() async {
        let report = state.withLock { $0.crew.report(waitSeconds: 0) }
        do {
            _ = try await tell(report)
            state.withLock { $0.crew.wasHeard(report) }
        } catch {
            logger.debug("the gateway did not hear that this machine stops; it will notice", metadata: ["error": "\(error)"])
        }
    }

    private func follow(_ orders: MachineOrders, after report: MachineReport, _ start: (MachineOrders.Worker) -> Void) {
        // Not that of the report: a new one may have come while the answer was waited for.
        let key = (try? currentKey()) ?? ""
        let actions = state.withLock { state in
            for note in orders.notes ?? [] where state.notes != orders.notes { logger.warning("\(note)") }
            state.notes = orders.notes
            state.crew.wasHeard(report)
            let actions = state.crew.follow(orders, at: surroundings.now())
            // Before the process is there, so that a stop that comes first is not lost.
            for case .start(let order) in actions { state.processes[order.instance] = WorkerProcess(key: key) }
            return actions
        }
        for action in actions {
            if case .start(let order) = action { start(order) } else { act(action) }
        }
    }

    /// `nil` when something changed here first: what was reported is not so any more.
    private func unlessRung<Value: Sendable>(
        after rings: Int, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value? {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                await self.bell.wait(after: rings)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }
}

// What is done.
extension MachineAgent {
    private func supervise(_ order: MachineOrders.Worker) async {
        let id = order.instance
        guard let process = state.withLock({ $0.processes[id] }) else { return }
        logger.info("starting a worker", metadata: ["worker.instance": "\(id)", "endpoint": "\(order.endpoint)"])
        let tail = Mutex(OutputTail(bytesMax: 4096))
        var exit = ChildExit.notStarted("there is no program")
        if let command = makeCommand(order), let input = process.input {
            exit = await ChildProcess.run(command, life: .listening(input), signals: process.signals) { bytes, stream in
                self.passOn(bytes)
                if stream == .error { tail.withLock { $0.append(bytes) } }
            }
        }
        process.letGo()
        let atRisk = data.jobsAtRisk(of: id)
        data.forgetAtRisk(of: id)
        data.removeScratch(of: id)
        logger.info("worker ended", metadata: ["worker.instance": "\(id)", "worker.status": "\(exit.status)"])
        state.withLock { state in
            state.processes[id] = nil
            state.crew.ended(id, status: exit.status, stderrTail: tail.withLock { $0.text }, atRisk: atRisk)
        }
        bell.ring()
    }

    /// What workers log belongs to this machine's log. A full disk ends nobody; what was lost is said when there is room again.
    private func passOn(_ bytes: [UInt8]) {
        do {
            try FileHandle.standardError.write(contentsOf: Data(bytes))
        } catch {
            return state.withLock { $0.unwritten += bytes.count }
        }
        let lost = state.withLock { state in
            defer { state.unwritten = 0 }
            return state.unwritten
        }
        if lost > 0 { logger.warning("what workers said could not be written to the log", metadata: ["bytes": "\(lost)"]) }
    }

    private func drain() {
        for action in state.withLock({ $0.crew.drain(at: surroundings.now()) }) { act(action) }
        bell.ring()
    }

    private func act(_ action: Crew.Action) {
        switch action {
        case .start: break
        case .stop(let id): state.withLock { $0.processes[id] }?.letGo()
        case .kill(let id):
            logger.warning("killing a worker that did not stop", metadata: ["worker.instance": "\(id)"])
            state.withLock { $0.processes[id] }?.signal.yield(.kill)
        case .refuse(let id, let why):
            logger.warning("a worker that the gateway ordered is not started", metadata: ["worker.instance": "\(id)", "reason": "\(why)"])
        }
    }

    private func watch() async {
        while (try? await surroundings.sleep(.seconds(1))) != nil {
            for action in state.withLock({ $0.crew.overdue(at: surroundings.now()) }) { act(action) }
        }
    }

    private func waitForWorkers() async {
        while !Task.isCancelled {
            let rings = bell.rings
            if state.withLock({ $0.crew.isEmpty }) { return }
            await bell.wait(after: rings)
        }
    }
}

/// What an agent remembers of a gateway that it does not reach.
struct Trouble {
    private static let warnEvery: Duration = .seconds(300)
    /// Longer than an agent that was killed speaks for this machine.
    private static let conflictMax: Duration = .seconds(45)

    var hasJoined = false
    private(set) var failures = 0
    private var warnedAt: Timestamp?
    private var conflictSince: Timestamp?

    init(hasJoined: Bool = false) { self.hasJoined = hasJoined }

    /// - Throws: the error, when another agent has this machine's name and keeps it.
    mutating func shallWarn(of error: any Error, at now: Timestamp) throws -> Bool {
        failures += 1
        let isConflict = (error as? MillraceError)?.code == .stateConflict
        if isConflict, now.since(conflictSince ?? now) > Self.conflictMax { throw error }
        conflictSince = isConflict ? conflictSince ?? now : nil
        if let warnedAt, now.since(warnedAt) < Self.warnEvery { return false }
        warnedAt = now
        return true
    }
}

/// What an agent holds of a worker: the writing end of its standard input, on which the key lies already.
private final class WorkerProcess: Sendable {
    let signals: AsyncStream<ChildProcess.Signal>
    let signal: AsyncStream<ChildProcess.Signal>.Continuation
    /// The reading end, for the process.
    let input: Int32?
    private let output: Mutex<Int32?>

    init(key: String) {
        (signals, signal) = AsyncStream<ChildProcess.Signal>.makeStream()
        let pipe = ChildProcess.makePipe()
        input = pipe?.reading
        output = Mutex(pipe?.writing)
        // A line fits into the pipe, so nobody has to read yet.
        let line = Array((key + "\n").utf8)
        if let pipe { _ = write(pipe.writing, line, line.count) }
    }

    /// Closes its end: the worker finishes what it holds, or gives it back, and ends.
    func letGo() {
        output.withLock { output in
            if let open = output { close(open) }
            output = nil
        }
    }
}

extension ChildExit {
    /// As fleets say it.
    fileprivate var status: String {
        switch self {
        case .exited(let code): "exit \(code)"
        case .signaled(let number): "signal \(number)"
        case .notStarted(let reason): "could not be started: \(reason)"
        }
    }
}
