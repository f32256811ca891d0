/// The way of one worker from being wanted to being ready, phase by phase.
public struct ColdStart: Sendable, Codable, Equatable {
    /// What the worker itself can tell.
    public struct Marks: Sendable, Codable, Equatable {
        /// When its process began.
        public var startedAt: Timestamp
        /// When the gateway had answered its first words.
        public var registeredAt: Timestamp
        /// When the model's files were there.
        public var fetchedAt: Timestamp
        /// When the model was loaded.
        public var loadedAt: Timestamp
        /// When it could take jobs.
        public var readyAt: Timestamp

        public init(startedAt: Timestamp, registeredAt: Timestamp, fetchedAt: Timestamp, loadedAt: Timestamp, readyAt: Timestamp) {
            self.startedAt = startedAt
            self.registeredAt = registeredAt
            self.fetchedAt = fetchedAt
            self.loadedAt = loadedAt
            self.readyAt = readyAt
        }

        /// The same by a clock that is ahead by `offset`.
        public func shifted(by offset: Duration) -> Self {
            Self(
                startedAt: startedAt + offset, registeredAt: registeredAt + offset, fetchedAt: fetchedAt + offset, loadedAt: loadedAt + offset,
                readyAt: readyAt + offset)
        }

        /// None later than now, nor than the one that follows: what another machine says may be wrong.
        public func ordered(until now: Timestamp) -> Self {
            let ready = min(readyAt, now)
            let loaded = min(loadedAt, ready)
            let fetched = min(fetchedAt, loaded)
            let registered = min(registeredAt, fetched)
            return Self(startedAt: min(startedAt, registered), registeredAt: registered, fetchedAt: fetched, loadedAt: loaded, readyAt: ready)
        }
    }

    public enum Phase: String, Sendable, Codable, CaseIterable {
        /// Until the provider began to run it.
        case provisioning
        /// Until it had registered.
        case process
        case modelFetch
        case modelLoad
        case warmUp
    }

    /// The name its fleet knows it by.
    public var instance: String
    public var endpoint: String
    public var variant: String
    /// `nil` until it has said that it is ready.
    public var worker: WorkerID?
    /// When its fleet was asked for it; `nil` when it was started by hand.
    public var wantedAt: Timestamp?
    public var marks: Marks?

    public init(
        instance: String, endpoint: String, variant: String, worker: WorkerID? = nil, wantedAt: Timestamp? = nil, marks: Marks? = nil
    ) {
        self.instance = instance
        self.endpoint = endpoint
        self.variant = variant
        self.worker = worker
        self.wantedAt = wantedAt
        self.marks = marks
    }

    /// From wanted, or from the start of its process, to ready; `nil` while it starts.
    public var total: Duration? {
        marks.map { max($0.readyAt.since(wantedAt ?? $0.startedAt), .zero) }
    }

    /// How long each phase took, in order; those that are not known are left out. The clocks of two machines may differ: none is below zero.
    public var phases: [(phase: Phase, took: Duration)] {
        guard let marks else { return [] }
        let all: [(Phase, Timestamp?, Timestamp)] = [
            (.provisioning, wantedAt, marks.startedAt), (.process, marks.startedAt, marks.registeredAt),
            (.modelFetch, marks.registeredAt, marks.fetchedAt), (.modelLoad, marks.fetchedAt, marks.loadedAt),
            (.warmUp, marks.loadedAt, marks.readyAt),
        ]
        return all.compactMap { phase, from, to in from.map { (phase, max(to.since($0), .zero)) } }
    }
}
