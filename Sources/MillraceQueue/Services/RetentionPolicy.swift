import MillraceCore

/// How long things are kept and in what portions they go.
public struct RetentionPolicy: Sendable, Equatable {
    /// Time between two rounds.
    public var interval: Duration = .seconds(60)
    /// Jobs removed, or blobs collected, in one step.
    public var batchMax = 200
    /// Steps in one round; what is left waits for the next.
    public var stepsMax = 50
    /// How long an upload may take before it counts as given up.
    public var pendingAge: Duration = .seconds(24 * 3600)
    /// How long an upload waits for a job that uses it.
    public var unusedAge: Duration = .seconds(24 * 3600)

    public init() {}
}

/// One round of removing: the endpoints one after the other, then the blobs, in bounded steps.
struct RetentionRound: Sendable, Equatable {
    enum Step: Sendable, Equatable {
        case prune(EndpointRetention, at: Timestamp)
        case collect(pendingBefore: Timestamp, unusedBefore: Timestamp)
    }

    private var steps: ArraySlice<Step>
    private var left: Int
    private let batchMax: Int

    init(_ endpoints: [EndpointRetention], _ policy: RetentionPolicy, at now: Timestamp) {
        let prunes = endpoints.map { Step.prune($0, at: now) }
        let collect = Step.collect(pendingBefore: now - policy.pendingAge, unusedBefore: now - policy.unusedAge)
        steps = (prunes + [collect])[...]
        left = policy.stepsMax
        batchMax = policy.batchMax
    }

    /// What to do next; `nil` when the round is over.
    var next: Step? { left > 0 ? steps.first : nil }

    /// Says how many a step removed. A full batch means that there may be more of the same.
    mutating func done(removed: Int) {
        left -= 1
        if removed < batchMax { steps = steps.dropFirst() }
    }
}
