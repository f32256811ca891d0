import MillraceCore

// Written for every submit; read by clients, one at a time.

extension JobResource: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("attempt")
            writer.integer(attempt)
            writer.key("attemptsMax")
            writer.integer(attemptsMax)
            writer.optional("callback", callback)
            writer.key("cancelRequested")
            writer.bool(cancelRequested)
            if let coldStart {
                writer.key("coldStart")
                writer.seldom(coldStart)
            }
            if let cost {
                writer.key("cost")
                writer.seldom(cost)
            }
            writer.key("crashes")
            writer.integer(crashes)
            writer.key("createdAt")
            writer.value(createdAt)
            writer.optional("deadline", deadline)
            writer.key("endpoint")
            writer.string(endpoint)
            writer.optional("error", error)
            writer.optional("expiresAt", expiresAt)
            writer.optional("finishedAt", finishedAt)
            writer.key("id")
            writer.value(id)
            writer.key("inputs")
            writer.values(inputs)
            writer.key("outputs")
            writer.values(outputs)
            writer.key("parameters")
            writer.value(JSONValue.object(parameters))
            writer.key("priority")
            writer.integer(priority)
            writer.optional("progress", progress)
            writer.optional("queue", queue)
            writer.key("retrying")
            writer.bool(retrying)
            writer.optional("runAt", runAt)
            writer.optional("startedAt", startedAt)
            writer.key("state")
            writer.string(state.rawValue)
            writer.key("timing")
            writer.value(timing)
            writer.key("variant")
            writer.string(variant)
            writer.optional("worker", worker)
        }
    }

    public init(_ reader: inout JSONReader) throws { self = try reader.seldom() }
}

extension JobResource.Input: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("bytes")
            writer.integer(bytes)
            writer.optional("filename", filename)
            writer.key("mediaType")
            writer.string(mediaType)
            writer.key("name")
            writer.string(name)
        }
    }

    public init(_ reader: inout JSONReader) throws { self = try reader.seldom() }
}

extension JobResource.Output: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("bytes")
            writer.integer(bytes)
            writer.key("mediaType")
            writer.string(mediaType)
            writer.key("name")
            writer.string(name)
            writer.optional("sha256", sha256)
            writer.key("url")
            writer.string(url)
        }
    }

    public init(_ reader: inout JSONReader) throws { self = try reader.seldom() }
}

extension JobResource.Failure: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("code")
            writer.string(code)
            writer.optional("hint", hint)
            writer.key("message")
            writer.string(message)
            writer.key("retryable")
            writer.bool(retryable)
            writer.optional("stderrTail", stderrTail)
        }
    }

    public init(_ reader: inout JSONReader) throws { self = try reader.seldom() }
}

extension JobResource.Timing: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.optional("coldStartSeconds", coldStartSeconds)
            writer.optional("runSeconds", runSeconds)
            writer.optional("waitSeconds", waitSeconds)
        }
    }

    public init(_ reader: inout JSONReader) throws { self = try reader.seldom() }
}

extension JobResource.Queue: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("ahead")
            writer.integer(ahead)
            if let aheadIsAtLeast {
                writer.key("aheadIsAtLeast")
                writer.bool(aheadIsAtLeast)
            }
            writer.optional("estimatedStart", estimatedStart)
        }
    }

    public init(_ reader: inout JSONReader) throws { self = try reader.seldom() }
}
