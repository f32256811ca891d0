import MillraceCore

extension HeartbeatRequest: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("items")
            writer.values(items)
            writer.optional("readyAt", readyAt)
            if let start {
                writer.key("start")
                writer.seldom(start)
            }
            writer.key("worker")
            writer.value(worker)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (worker, readyAt, start, items) = (WorkerID?.none, Timestamp?.none, ColdStart.Marks?.none, [Item]?.none)
        try reader.object { key, reader in
            switch key {
            case "worker": worker = try reader.value()
            case "readyAt": readyAt = try reader.optional()
            case "start": start = try reader.null() ? nil : try reader.seldom()
            case "items": items = try reader.values()
            default: try reader.skip()
            }
        }
        self.init(
            worker: try reader.required(worker, "worker"), readyAt: readyAt, start: start, items: try reader.required(items, "items"))
    }
}

extension HeartbeatRequest.Item: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.optional("checkpoint", checkpoint)
            writer.key("job")
            writer.value(job)
            writer.key("logs")
            writer.values(logs)
            writer.optional("progress", progress)
            writer.key("token")
            writer.value(token)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (job, token, progress) = (JobID?.none, LeaseToken?.none, JobProgress?.none)
        var (logs, checkpoint) = ([LogLine]?.none, JobCheckpoint?.none)
        try reader.object { key, reader in
            switch key {
            case "job": job = try reader.value()
            case "token": token = try reader.value()
            case "progress": progress = try reader.optional()
            case "logs": logs = try reader.values()
            case "checkpoint": checkpoint = try reader.optional()
            default: try reader.skip()
            }
        }
        self.init(
            job: try reader.required(job, "job"), token: try reader.required(token, "token"), progress: progress,
            logs: try reader.required(logs, "logs"), checkpoint: checkpoint)
    }
}

extension HeartbeatResponse: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("draining")
            writer.bool(draining)
            writer.key("verdicts")
            writer.values(verdicts)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (verdicts, draining) = ([Verdict]?.none, Bool?.none)
        try reader.object { key, reader in
            switch key {
            case "verdicts": verdicts = try reader.values()
            case "draining": draining = try reader.bool()
            default: try reader.skip()
            }
        }
        self.init(verdicts: try reader.required(verdicts, "verdicts"), draining: try reader.required(draining, "draining"))
    }
}

extension HeartbeatResponse.Verdict: FastJSON {
    public func write(to writer: inout JSONWriter) { writer.string(rawValue) }

    public init(_ reader: inout JSONReader) throws {
        guard let verdict = Self(rawValue: try reader.string()) else { throw reader.fault("a verdict is missing") }
        self = verdict
    }
}
