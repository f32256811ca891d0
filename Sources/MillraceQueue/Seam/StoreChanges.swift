import MillraceCore
import Synchronization

/// Hints to whoever waits: a new backlog, a job that changed, a delivery to send.
///
/// Hints carry no data. Each subscriber has a buffer of one hint: whoever is slow sees one, not all, and looks itself.
public final class StoreChanges: Sendable {
    public enum Topic: Hashable, Sendable {
        /// Work may have become ready somewhere, or the number of running jobs changed.
        case backlog
        /// Work may have become ready for a variant.
        case work(endpoint: String, variant: String)
        case job(JobID)
        case delivery
        case worker
    }

    private struct State {
        var nextID = 0
        var subscribers: [Topic: [Int: AsyncStream<Void>.Continuation]] = [:]
        /// Topics of single jobs among them.
        var jobsWaitedFor = 0
    }
    private let state = Mutex(State())

    public init() {}

    /// - Parameter jobs: jobs that changed, beside the topics.
    public func publish(_ topics: Set<Topic>, jobs: [JobID] = []) {
        let continuations = state.withLock { state -> [AsyncStream<Void>.Continuation] in
            guard !state.subscribers.isEmpty else { return [] }
            var found = topics.flatMap { state.subscribers[$0].map { Array($0.values) } ?? [] }
            // Few wait for single jobs, and a large step changes many.
            guard state.jobsWaitedFor > 0 else { return found }
            for job in jobs { if let waiting = state.subscribers[.job(job)] { found += waiting.values } }
            return found
        }
        for continuation in continuations { continuation.yield() }
    }

    /// A stream of hints that begins now. It ends only with its task.
    public func hints(_ topic: Topic) -> AsyncStream<Void> { hints([topic]) }

    /// A stream of hints on any of several topics.
    public func hints(_ topics: Set<Topic>) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.nextID += 1
            for topic in topics {
                if case .job = topic, state.subscribers[topic] == nil { state.jobsWaitedFor += 1 }
                state.subscribers[topic, default: [:]][state.nextID] = continuation
            }
            return state.nextID
        }
        continuation.onTermination = { [weak self] _ in self?.unsubscribe(id, from: topics) }
        return stream
    }

    private func unsubscribe(_ id: Int, from topics: Set<Topic>) {
        state.withLock { state in
            for topic in topics {
                state.subscribers[topic]?[id] = nil
                guard state.subscribers[topic]?.isEmpty == true else { continue }
                state.subscribers[topic] = nil
                if case .job = topic { state.jobsWaitedFor -= 1 }
            }
        }
    }
}

extension StoreChanges {
    /// Waits for the next hint or until the time is over, whichever comes first.
    ///
    /// Subscribe before reading the state that is waited on, or a change between the two is missed:
    /// `let hints = changes.hints(topic)`, then read, then wait on `hints`.
    public static func wait(for hints: AsyncStream<Void>, atMost limit: Duration, in surroundings: Surroundings) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var iterator = hints.makeAsyncIterator()
                _ = await iterator.next()
            }
            group.addTask { try await surroundings.sleep(limit) }
            defer { group.cancelAll() }
            try await group.next()
        }
        try Task.checkCancellation()
    }
}
