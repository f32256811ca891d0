import MillraceCore

/// A webhook message about a job, and every try to deliver it.
public struct DeliveryResource: Sendable, Codable, Equatable {
    public struct Attempt: Sendable, Codable, Equatable {
        public var at: Timestamp
        /// The receiver's HTTP status; absent when there was no answer.
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
    /// The `webhook-id` of every try.
    public var id: DeliveryID
    /// `job.succeeded`, `job.failed`...
    public var event: String
    public var url: String
    /// `pending`, `delivered` or `failed`.
    public var state: String
    public var createdAt: Timestamp
    /// When the next try is due, while it is pending.
    public var dueAt: Timestamp?
    public var attempts: [Attempt]

    public init(
        id: DeliveryID, event: String, url: String, state: String, createdAt: Timestamp, dueAt: Timestamp?, attempts: [Attempt]
    ) {
        self.id = id
        self.event = event
        self.url = url
        self.state = state
        self.createdAt = createdAt
        self.dueAt = dueAt
        self.attempts = attempts
    }
}

public struct DeliveryList: Sendable, Codable, Equatable {
    public var deliveries: [DeliveryResource]
    public init(deliveries: [DeliveryResource]) { self.deliveries = deliveries }
}
