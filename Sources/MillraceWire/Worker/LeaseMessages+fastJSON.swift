import MillraceCore

extension LeaseRequest: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("held")
            writer.values(held)
            writer.key("jobsMax")
            writer.integer(jobsMax)
            if let reports {
                writer.key("reports")
                writer.values(reports)
            }
            if let request {
                writer.key("request")
                writer.integer(request)
            }
            writer.key("waitSeconds")
            writer.number(waitSeconds)
            writer.key("worker")
            writer.value(worker)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (worker, jobsMax, waitSeconds, held) = (WorkerID?.none, Int?.none, Double?.none, [LeaseToken]?.none)
        var (request, reports) = (Int64?.none, [SettleRequest.Item]?.none)
        try reader.object { key, reader in
            switch key {
            case "worker": worker = try reader.value()
            case "jobsMax": jobsMax = try reader.integer()
            case "waitSeconds": waitSeconds = try reader.double()
            case "held": held = try reader.values()
            case "request": request = try reader.null() ? nil : try reader.integer()
            case "reports": reports = try reader.null() ? nil : try reader.values()
            default: try reader.skip()
            }
        }
        self.init(
            worker: try reader.required(worker, "worker"), jobsMax: try reader.required(jobsMax, "jobsMax"),
            waitSeconds: try reader.required(waitSeconds, "waitSeconds"), held: try reader.required(held, "held"),
            request: request, reports: reports)
    }
}

extension LeaseResponse: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("draining")
            writer.bool(draining)
            writer.key("jobs")
            writer.values(jobs)
            if let verdicts {
                writer.key("verdicts")
                writer.values(verdicts)
            }
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (jobs, draining, verdicts) = ([LeasedJob]?.none, Bool?.none, [HeartbeatResponse.Verdict]?.none)
        try reader.object { key, reader in
            switch key {
            case "jobs": jobs = try reader.values()
            case "draining": draining = try reader.bool()
            case "verdicts": verdicts = try reader.null() ? nil : try reader.values()
            default: try reader.skip()
            }
        }
        self.init(jobs: try reader.required(jobs, "jobs"), draining: try reader.required(draining, "draining"), verdicts: verdicts)
    }
}

extension LeasedJob: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("attempt")
            writer.integer(attempt)
            writer.optional("checkpoint", checkpoint)
            if let crashes {
                writer.key("crashes")
                writer.integer(crashes)
            }
            writer.key("createdAt")
            writer.value(createdAt)
            writer.key("files")
            writer.values(files)
            writer.key("id")
            writer.value(id)
            writer.optional("input", input)
            writer.optional("parameters", parameters)
            writer.key("token")
            writer.value(token)
            writer.optional("traceparent", traceparent)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (id, token, attempt, createdAt) = (JobID?.none, LeaseToken?.none, Int?.none, Timestamp?.none)
        var (parameters, input, traceparent) = (RawJSON?.none, RawJSON?.none, String?.none)
        var crashes: Int?
        var (files, checkpoint) = ([File]?.none, Checkpoint?.none)
        try reader.object { key, reader in
            switch key {
            case "id": id = try reader.value()
            case "token": token = try reader.value()
            case "attempt": attempt = try reader.integer()
            case "crashes": crashes = try reader.null() ? nil : try reader.integer()
            case "createdAt": createdAt = try reader.value()
            case "parameters": parameters = try reader.optional()
            case "input": input = try reader.optional()
            case "files": files = try reader.values()
            case "checkpoint": checkpoint = try reader.optional()
            case "traceparent": traceparent = try reader.optional()
            default: try reader.skip()
            }
        }
        self.init(
            id: try reader.required(id, "id"), token: try reader.required(token, "token"), attempt: try reader.required(attempt, "attempt"),
            crashes: crashes, createdAt: try reader.required(createdAt, "createdAt"), parameters: parameters, input: input,
            files: try reader.required(files, "files"), checkpoint: checkpoint, traceparent: traceparent)
    }
}

extension LeasedJob.File: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("access")
            writer.value(access)
            writer.key("file")
            writer.value(file)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (file, access) = (JobFile?.none, BlobAccessGrant?.none)
        try reader.object { key, reader in
            switch key {
            case "file": file = try reader.value()
            case "access": access = try reader.value()
            default: try reader.skip()
            }
        }
        self.init(file: try reader.required(file, "file"), access: try reader.required(access, "access"))
    }
}

extension LeasedJob.Checkpoint: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.optional("file", file)
            writer.key("position")
            writer.value(position)
            writer.key("segments")
            writer.values(segments)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (file, position, segments) = (LeasedJob.File?.none, JSONValue?.none, [LeasedJob.File]?.none)
        try reader.object { key, reader in
            switch key {
            case "file": file = try reader.optional()
            case "position": position = try reader.value()
            case "segments": segments = try reader.values()
            default: try reader.skip()
            }
        }
        self.init(file: file, position: try reader.required(position, "position"), segments: try reader.required(segments, "segments"))
    }
}

extension BlobAccessGrant: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.optional("path", path)
            writer.optional("url", url)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (path, url) = (String?.none, String?.none)
        try reader.object { key, reader in
            switch key {
            case "path": path = try reader.optional()
            case "url": url = try reader.optional()
            default: try reader.skip()
            }
        }
        self.init(path: path, url: url)
    }
}
