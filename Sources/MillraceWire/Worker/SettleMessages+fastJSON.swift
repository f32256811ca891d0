import MillraceCore

extension SettleRequest: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("items")
            writer.values(items)
            writer.key("worker")
            writer.value(worker)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (worker, items) = (WorkerID?.none, [Item]?.none)
        try reader.object { key, reader in
            switch key {
            case "worker": worker = try reader.value()
            case "items": items = try reader.values()
            default: try reader.skip()
            }
        }
        self.init(worker: try reader.required(worker, "worker"), items: try reader.required(items, "items"))
    }
}

extension SettleRequest.Item: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.optional("coldStartSeconds", coldStartSeconds)
            writer.key("job")
            writer.value(job)
            writer.key("logs")
            writer.values(logs)
            writer.key("outcome")
            writer.value(outcome)
            writer.optional("progress", progress)
            writer.key("token")
            writer.value(token)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (job, token, outcome) = (JobID?.none, LeaseToken?.none, SettleRequest.Outcome?.none)
        var (logs, progress, coldStartSeconds) = ([LogLine]?.none, JobProgress?.none, Double?.none)
        try reader.object { key, reader in
            switch key {
            case "job": job = try reader.value()
            case "token": token = try reader.value()
            case "outcome": outcome = try reader.value()
            case "logs": logs = try reader.values()
            case "progress": progress = try reader.optional()
            case "coldStartSeconds": coldStartSeconds = try reader.optional()
            default: try reader.skip()
            }
        }
        self.init(
            job: try reader.required(job, "job"), token: try reader.required(token, "token"),
            outcome: try reader.required(outcome, "outcome"), logs: try reader.required(logs, "logs"), progress: progress,
            coldStartSeconds: coldStartSeconds)
    }
}

extension SettleRequest.Outcome: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .succeeded(let outputs, let inline):
                writer.key("succeeded")
                writer.object { writer in
                    if !inline.isEmpty {
                        writer.key("inline")
                        writer.values(inline)
                    }
                    writer.key("outputs")
                    writer.values(outputs)
                }
            case .failed(let failure):
                writer.key("failed")
                writer.object { writer in
                    writer.key("_0")
                    writer.value(failure)
                }
            case .cancelled:
                writer.key("cancelled")
                writer.object { _ in }
            case .released(let reason):
                writer.key("released")
                writer.object { writer in
                    writer.key("reason")
                    writer.string(reason)
                }
            }
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var outcomes: [Self] = []
        try reader.object { key, reader in
            switch key {
            case "succeeded": outcomes.append(try Self.succeeded(&reader))
            case "failed": outcomes.append(.failed(try Self.field("_0", &reader)))
            case "cancelled":
                try reader.object { try $1.skip() }
                outcomes.append(.cancelled)
            case "released": outcomes.append(.released(reason: try Self.field("reason", &reader)))
            default: try reader.skip()
            }
        }
        guard outcomes.count == 1 else { throw reader.fault("an outcome is one of its kinds") }
        self = outcomes[0]
    }

    private static func succeeded(_ reader: inout JSONReader) throws -> Self {
        var (outputs, inline) = ([JobFile]?.none, [InlineOutput]?.none)
        try reader.object { key, reader in
            switch key {
            case "outputs": outputs = try reader.values()
            case "inline": inline = try reader.null() ? nil : try reader.values()
            default: try reader.skip()
            }
        }
        return .succeeded(outputs: try reader.required(outputs, "outputs"), inline: inline ?? [])
    }

    /// The value of the one field of an object.
    private static func field<Value: FastJSON>(_ name: StaticString, _ reader: inout JSONReader) throws -> Value {
        var value: Value?
        try reader.object { key, reader in
            if name ~= key { value = try reader.value() } else { try reader.skip() }
        }
        return try reader.required(value, name)
    }
}

extension SettleResponse: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("verdicts")
            writer.values(verdicts)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var verdicts: [HeartbeatResponse.Verdict]?
        try reader.object { key, reader in
            switch key {
            case "verdicts": verdicts = try reader.values()
            default: try reader.skip()
            }
        }
        self.init(verdicts: try reader.required(verdicts, "verdicts"))
    }
}
