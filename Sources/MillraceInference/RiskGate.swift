import MillraceCore
import Synchronization

/// Keeps which jobs are at risk where it outlives this process, so that its crash is counted against them alone.
///
/// Called under a lock, at each step of each job: it must not wait. A job may be marked several times.
public protocol RiskMarks: Sendable {
    func mark(_ jobs: [JobID])
    func unmark(_ jobs: [JobID])
}

/// Stands before code that may crash (decoders, models): marks whose job is inside, and lets a suspect, a job in which a worker
/// has crashed before, in only alone. A crash inside then names its cause: the second one of a job is its own.
///
/// Nobody may enter it again from inside.
public final class RiskGate: Sendable {
    private typealias Waiter = CheckedContinuation<Bool, Never>
    private struct State {
        var room = RiskRoom()
        var nextID = 0
        /// Resumed with false when the waiter was cancelled.
        var waiters: [Int: Waiter] = [:]
    }
    private let state = Mutex(State())
    private let marks: (any RiskMarks)?

    public init(_ marks: (any RiskMarks)?) {
        self.marks = marks
    }

    /// Tasks that wait.
    var waiting: Int { state.withLock { $0.waiters.count } }

    /// - Parameters:
    ///   - jobs: for whom `body` runs.
    ///   - alone: whether nobody else may be inside meanwhile.
    /// - Throws: `CancellationError` when the task is cancelled while it waits.
    public func enter<Value>(for jobs: [JobID], alone: Bool, _ body: () async throws -> Value) async throws -> Value {
        guard await acquire(jobs, alone) else { throw CancellationError() }
        defer { release(jobs) }
        return try await body()
    }

    private func acquire(_ jobs: [JobID], _ alone: Bool) async -> Bool {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    // Under the lock: a cancellation before this is seen here, one after it finds the waiter.
                    if Task.isCancelled { return false }
                    if state.room.come(RiskRoom.Entry(id: id, jobs: jobs, isAlone: alone)) {
                        marks?.mark(jobs)
                        return true
                    }
                    state.waiters[id] = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let (waiter, entering) = state.withLock { state in
                guard let entering = state.room.giveUp(id) else { return (nil as Waiter?, [Waiter]()) }
                return (state.waiters.removeValue(forKey: id), letIn(entering, &state))
            }
            waiter?.resume(returning: false)
            for waiter in entering { waiter.resume(returning: true) }
        }
    }

    private func release(_ jobs: [JobID]) {
        let entering = state.withLock { state in
            // First: what comes after this is no longer theirs.
            marks?.unmark(jobs)
            return letIn(state.room.leave(), &state)
        }
        for waiter in entering { waiter.resume(returning: true) }
    }

    private func letIn(_ entries: [RiskRoom.Entry], _ state: inout State) -> [Waiter] {
        entries.map { entry in
            marks?.mark(entry.jobs)
            return state.waiters.removeValue(forKey: entry.id)!
        }
    }
}
