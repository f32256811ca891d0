import MillraceCore
import Synchronization

/// The runner without a model: a job's result is its input, or what its files are called.
///
/// It needs no files and no process, so that an integration, a test or a benchmark sees Millrace alone. The items of
/// a batch take their time side by side, and are answered together.
public final class EchoRunner: ModelRunner {
    private let surroundings: Surroundings
    /// Nanoseconds since 1970, for jobs that ask when they were begun.
    private let clock: @Sendable () -> Int64
    private struct State {
        /// The items that take time now, and who is told when one is to stop.
        var waiting: [ItemID: AsyncStream<Void>.Continuation] = [:]
        /// Items that were stopped before they began to wait.
        var stoppedEarly: Set<ItemID> = []
    }
    private let state = Mutex(State())

    public init(surroundings: Surroundings, clock: @escaping @Sendable () -> Int64 = Surroundings.wallNanoseconds) {
        self.surroundings = surroundings
        self.clock = clock
    }

    public var signature: ModelSignature? { nil }
    public func load() async throws {}
    public func close() async {}

    public func cancel(_ item: ItemID, reason: CancellationReason) async {
        let stopper = state.withLock { state in
            if state.waiting[item] == nil { state.stoppedEarly.insert(item) }
            return state.waiting[item]
        }
        stopper?.finish()
    }

    public func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        observer.began(batch.map(\.id))
        let begun = clock()
        // One batch runs at a time: what is left of a stop that came too late goes here.
        defer { state.withLock { $0 = State() } }
        var slow: [(index: Int, item: ItemID, duration: Duration)] = []
        var outcomes: [ItemOutcome] = []
        outcomes.reserveCapacity(batch.count)
        for (index, item) in batch.enumerated() {
            guard case .request(let request) = item.payload else { preconditionFailure("the echo model is given whole jobs") }
            let settings = EchoSettings(request.parametersText)
            if settings.duration > .zero { slow.append((index, item.id, settings.duration)) }
            outcomes.append(Self.outcome(of: request, settings, begun: begun))
        }
        for index in try await cancelled(of: slow) { outcomes[index] = .cancelled }
        return outcomes
    }

    private static func outcome(of request: HandlerRequest, _ settings: EchoSettings, begun: Int64) -> ItemOutcome {
        if request.attempt <= settings.failures {
            let message = "attempt \(request.attempt) fails as the parameter \"failures\" asks"
            return .failed(JobFailure(.handlerError, message, hint: "the first \(settings.failures) fail", retryable: true))
        }
        return .reply(EchoReply.make(of: request, stamp: settings.stamp ? begun : nil))
    }

    /// Lets the time of the slow items pass, and says which were stopped meanwhile.
    private func cancelled(of slow: [(index: Int, item: ItemID, duration: Duration)]) async throws -> [Int] {
        guard !slow.isEmpty else { return [] }
        return try await withThrowingTaskGroup(of: Int?.self) { group in
            for (index, item, duration) in slow {
                let (stop, stopper) = AsyncStream<Void>.makeStream()
                let isStopped = state.withLock { state in
                    state.waiting[item] = stopper
                    return state.stoppedEarly.contains(item)
                }
                group.addTask {
                    if isStopped { return index }
                    return try await self.isCancelled(item, within: duration, stop) ? index : nil
                }
            }
            return try await group.reduce(into: []) { if let index = $1 { $0.append(index) } }
        }
    }

    private func isCancelled(_ item: ItemID, within duration: Duration, _ stop: AsyncStream<Void>) async throws -> Bool {
        defer { state.withLock { _ = $0.waiting.removeValue(forKey: item) } }
        return try await withThrowingTaskGroup(of: Bool.self) { [surroundings] group in
            group.addTask {
                try await surroundings.sleep(duration)
                return false
            }
            group.addTask {
                for await _ in stop {}
                return true
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }
}
