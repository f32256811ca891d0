import MillraceCore
import MillraceQueue
import Synchronization

/// Workers that wait for work. The writer serves them inside the transaction that brings it.
final class ParkedLeases: Sendable {
    /// Who has idled longest stands first.
    private let waiting = Mutex<[ParkedLease]>([])

    /// Lets a worker wait. On the writer, in the step that found nothing for it, so that no work comes in between.
    /// - Parameter idleSince: its place among those that wait, which it keeps however often it looks.
    func park(_ lease: ParkedLease, idleSince: Timestamp) {
        lease.idleSince.withLock { $0 = idleSince }
        let overtaken = waiting.withLock { waiting in
            // A transaction that was undone runs its steps again.
            guard !waiting.contains(where: { $0 === lease }) else { return [ParkedLease]() }
            // One that was late has no ear any more either.
            guard !waiting.contains(where: { lease.isOvertaken(by: $0) }) else { return [lease] }
            // Who asks again has no ear any more for what it asked before.
            let older = waiting.filter { $0.isOvertaken(by: lease) }
            waiting.removeAll { $0.isOvertaken(by: lease) }
            Self.insert(lease, into: &waiting)
            return older
        }
        for older in overtaken { older.end(with: []) }
    }

    private static func insert(_ lease: ParkedLease, into waiting: inout [ParkedLease]) {
        let idleSince = lease.idleSince.withLock { $0 }
        let before = waiting.lastIndex { $0.idleSince.withLock { $0 } <= idleSince }
        waiting.insert(lease, at: before.map { $0 + 1 } ?? 0)
    }

    /// Takes out who has idled least of those whose demand is such: it is warm, and those who idle longer can be let go.
    func next(where isWanted: (LeaseDemand) -> Bool) -> ParkedLease? {
        waiting.withLock { waiting in
            waiting.lastIndex { isWanted($0.demand) }.map { waiting.remove(at: $0) }
        }
    }

    func has(_ worker: WorkerID) -> Bool {
        waiting.withLock { $0.contains { $0.demand.worker == worker } }
    }

    /// Does nothing for one whose wait has ended meanwhile: it would be given jobs that nobody runs.
    func put(back lease: ParkedLease) {
        waiting.withLock { if !lease.isOver { Self.insert(lease, into: &$0) } }
    }

    func remove(_ lease: ParkedLease) {
        waiting.withLock { waiting in waiting.removeAll { $0 === lease } }
    }
}

/// One wait for work, and what came of it.
final class ParkedLease: Sendable {
    private enum State {
        case open
        case waited(CheckedContinuation<[JobRow], Never>)
        case over([JobRow])
    }
    let demand: LeaseDemand
    /// Since when its worker has been without work; known when it is parked.
    let idleSince = Mutex(Timestamp(milliseconds: 0))
    private let state = Mutex(State.open)

    init(_ demand: LeaseDemand) {
        self.demand = demand
    }

    var isOver: Bool {
        state.withLock { if case .over = $0 { true } else { false } }
    }

    func isOvertaken(by other: ParkedLease) -> Bool {
        guard demand.worker == other.demand.worker, let request = demand.request, let newer = other.demand.request else { return false }
        return request < newer
    }

    /// Ends the wait; only the first end counts.
    /// - Returns: whether it was this one.
    @discardableResult
    func end(with rows: [JobRow]) -> Bool {
        let (isFirst, continuation) = state.withLock { state -> (Bool, CheckedContinuation<[JobRow], Never>?) in
            switch state {
            case .over: return (false, nil)
            case .open:
                state = .over(rows)
                return (true, nil)
            case .waited(let continuation):
                state = .over([])
                return (true, continuation)
            }
        }
        continuation?.resume(returning: rows)
        return isFirst
    }

    /// Waits for the end. Called once.
    func rows() async -> [JobRow] {
        await withCheckedContinuation { continuation in
            let rows: [JobRow]? = state.withLock { state in
                if case .over(let rows) = state { return rows }
                state = .waited(continuation)
                return nil
            }
            if let rows { continuation.resume(returning: rows) }
        }
    }
}
