import MillraceCore

/// Which jobs a client means: in the query of lists and counts, and as the JSON of `POST /v1/jobs/cancel` and `/v1/jobs/redrive`.
///
/// Whatever is absent does not matter. To mean every job, many at once must say so with `all`.
public struct JobSelection: Sendable, Codable, Equatable {
    public var endpoint: String?
    /// `["queued", "running"]`, or `"queued,running"`.
    public var state: [JobState]?
    /// The code of the failure.
    public var code: String?
    /// Accepted at or after this time.
    public var createdAfter: Timestamp?
    /// Accepted before this time.
    public var createdBefore: Timestamp?
    /// Every job that the action can change.
    public var all: Bool?

    public init(
        endpoint: String? = nil, state: [JobState]? = nil, code: String? = nil, createdAfter: Timestamp? = nil,
        createdBefore: Timestamp? = nil, all: Bool? = nil
    ) {
        self.endpoint = endpoint
        self.state = state
        self.code = code
        self.createdAfter = createdAfter
        self.createdBefore = createdBefore
        self.all = all
    }

    /// Whether it names anything but `all`.
    public var isNarrowed: Bool {
        endpoint != nil || state != nil || code != nil || createdAfter != nil || createdBefore != nil
    }
}

public struct JobCount: Sendable, Codable, Equatable {
    public var count: Int
    public init(count: Int) { self.count = count }
}

/// What an action on many jobs did.
public struct JobsChanged: Sendable, Codable, Equatable {
    public var changed: Int
    /// The request had its time, and there are more: ask again. Absent when all is done.
    public var more: Bool?

    public init(changed: Int, more: Bool? = nil) {
        self.changed = changed
        self.more = more
    }
}

/// Jobs that failed for good, the latest accepted first.
public struct DeadLetterList: Sendable, Codable, Equatable {
    public var jobs: [JobResource]
    /// How many jobs of this page failed with each code.
    public var codes: [String: Int]
    /// Give it as `cursor` to get the next page; absent on the last one.
    public var nextCursor: String?

    public init(jobs: [JobResource], codes: [String: Int], nextCursor: String?) {
        self.jobs = jobs
        self.codes = codes
        self.nextCursor = nextCursor
    }
}
