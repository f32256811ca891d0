import MillraceCore

/// How long, and how many, finished jobs of an endpoint stay.
public struct EndpointRetention: Sendable, Equatable {
    public var endpoint: String
    public var age: Duration
    /// `nil`: as many as there are.
    public var jobsMax: Int?

    public init(endpoint: String, age: Duration, jobsMax: Int? = nil) {
        self.endpoint = endpoint
        self.age = age
        self.jobsMax = jobsMax
    }
}
