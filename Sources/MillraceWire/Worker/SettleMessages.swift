import MillraceCore

/// `POST /v1/worker/settle`: ends attempts.
public struct SettleRequest: Sendable, Codable, Equatable {
    public enum Outcome: Sendable, Equatable {
        /// Outputs in blobs, and small ones as they are. The primary one is the first of `inline`, or else of `outputs`.
        case succeeded(outputs: [JobFile], inline: [InlineOutput])
        case failed(JobFailure)
        case cancelled
        case released(reason: String)
    }
    public struct Item: Sendable, Codable, Equatable {
        public var job: JobID
        public var token: LeaseToken
        public var outcome: Outcome
        public var logs: [LogLine]
        public var progress: JobProgress?
        public var coldStartSeconds: Double?
        public init(
            job: JobID, token: LeaseToken, outcome: Outcome, logs: [LogLine] = [], progress: JobProgress? = nil,
            coldStartSeconds: Double? = nil
        ) {
            self.job = job
            self.token = token
            self.outcome = outcome
            self.logs = logs
            self.progress = progress
            self.coldStartSeconds = coldStartSeconds
        }
    }
    public var worker: WorkerID
    public var items: [Item]

    public init(worker: WorkerID, items: [Item]) {
        self.worker = worker
        self.items = items
    }
}

public struct SettleResponse: Sendable, Codable, Equatable {
    public var verdicts: [HeartbeatResponse.Verdict]
    public init(verdicts: [HeartbeatResponse.Verdict]) { self.verdicts = verdicts }
}

// By hand, because `inline` is left out where there is none, as by workers that know nothing of it.
extension SettleRequest.Outcome: Codable {
    private enum Key: String, CodingKey { case succeeded, failed, cancelled, released }
    private enum Field: String, CodingKey { case outputs, inline, failure = "_0", reason }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        guard let key = container.allKeys.first, container.allKeys.count == 1 else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "an outcome is one of its kinds"))
        }
        let fields = try container.nestedContainer(keyedBy: Field.self, forKey: key)
        switch key {
        case .succeeded:
            self = .succeeded(
                outputs: try fields.decode([JobFile].self, forKey: .outputs),
                inline: try fields.decodeIfPresent([InlineOutput].self, forKey: .inline) ?? [])
        case .failed: self = .failed(try fields.decode(JobFailure.self, forKey: .failure))
        case .cancelled: self = .cancelled
        case .released: self = .released(reason: try fields.decode(String.self, forKey: .reason))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .succeeded(let outputs, let inline):
            var fields = container.nestedContainer(keyedBy: Field.self, forKey: .succeeded)
            try fields.encode(outputs, forKey: .outputs)
            if !inline.isEmpty { try fields.encode(inline, forKey: .inline) }
        case .failed(let failure):
            var fields = container.nestedContainer(keyedBy: Field.self, forKey: .failed)
            try fields.encode(failure, forKey: .failure)
        case .cancelled: _ = container.nestedContainer(keyedBy: Field.self, forKey: .cancelled)
        case .released(let reason):
            var fields = container.nestedContainer(keyedBy: Field.self, forKey: .released)
            try fields.encode(reason, forKey: .reason)
        }
    }
}
