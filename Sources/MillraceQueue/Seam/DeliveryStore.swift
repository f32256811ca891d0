import MillraceCore

/// The outbox: webhook messages that were written together with the final state they tell of.
public protocol DeliveryStore: Sendable {
    /// Takes up to `limit` deliveries that are due, each for `duration`, so that no other sender has them meanwhile.
    func claimDeliveries(limit: Int, for duration: Duration) async throws -> [Delivery]
    /// Records a try. `next` is when to try again, `nil` when this was the last one.
    /// - Returns: false when the claim was no longer this sender's; nothing was written then.
    func record(_ attempt: DeliveryAttempt, of delivery: DeliveryID, claim: LeaseToken, next: Timestamp?) async throws -> Bool
    func deliveries(of job: JobID) async throws -> [Delivery]
    /// When the next delivery is due, `nil` when none waits.
    func nextDeliveryAt() async throws -> Timestamp?
}

/// One webhook message. Its id is the `webhook-id` of every try.
public struct Delivery: Sendable, Codable, Equatable, Identifiable {
    public enum State: String, Sendable, Codable { case pending, delivered, failed }
    public var id: DeliveryID
    public var url: String
    public var state: State
    /// `job.succeeded`, `job.failed`...
    public var event: String
    /// The job as it was when it ended; the message's body is made from it, the same at every try.
    public var snapshot: Job
    public var createdAt: Timestamp
    public var dueAt: Timestamp
    public var claim: LeaseToken?
    public var attempts: [DeliveryAttempt]

    public init(
        id: DeliveryID, url: String, state: State = .pending, event: String, snapshot: Job, createdAt: Timestamp,
        dueAt: Timestamp, claim: LeaseToken? = nil, attempts: [DeliveryAttempt] = []
    ) {
        self.id = id
        self.url = url
        self.state = state
        self.event = event
        self.snapshot = snapshot
        self.createdAt = createdAt
        self.dueAt = dueAt
        self.claim = claim
        self.attempts = attempts
    }
}

public struct DeliveryAttempt: Sendable, Codable, Equatable {
    public var at: Timestamp
    /// The receiver's HTTP status, `nil` when there was no answer.
    public var status: Int?
    public var error: String?
    public var delivered: Bool

    public init(at: Timestamp, status: Int?, error: String?, delivered: Bool) {
        self.at = at
        self.status = status
        self.error = error
        self.delivered = delivered
    }
}
