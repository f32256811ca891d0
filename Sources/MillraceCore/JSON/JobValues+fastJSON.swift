// The values of a job that messages to and from workers are made of.

extension JobFile: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("blob")
            writer.value(blob)
            writer.key("bytes")
            writer.integer(bytes)
            writer.optional("filename", filename)
            writer.key("mediaType")
            writer.string(mediaType)
            writer.key("name")
            writer.string(name)
            writer.key("sha256")
            writer.string(sha256)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (name, filename, mediaType, sha256) = (String?.none, String?.none, String?.none, String?.none)
        var (blob, bytes) = (BlobID?.none, Int64?.none)
        try reader.object { key, reader in
            switch key {
            case "name": name = try reader.string()
            case "filename": filename = try reader.optional()
            case "blob": blob = try reader.value()
            case "mediaType": mediaType = try reader.string()
            case "bytes": bytes = try reader.integer()
            case "sha256": sha256 = try reader.string()
            default: try reader.skip()
            }
        }
        self.init(
            name: try reader.required(name, "name"), filename: filename, blob: try reader.required(blob, "blob"),
            mediaType: try reader.required(mediaType, "mediaType"), bytes: try reader.required(bytes, "bytes"),
            sha256: try reader.required(sha256, "sha256"))
    }
}

extension InlineOutput: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("mediaType")
            writer.string(mediaType)
            writer.key("name")
            writer.string(name)
            writer.key("text")
            writer.string(text)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (name, mediaType, text) = (String?.none, String?.none, String?.none)
        try reader.object { key, reader in
            switch key {
            case "name": name = try reader.string()
            case "mediaType": mediaType = try reader.string()
            case "text": text = try reader.string()
            default: try reader.skip()
            }
        }
        self.init(
            name: try reader.required(name, "name"), mediaType: try reader.required(mediaType, "mediaType"),
            text: try reader.required(text, "text"))
    }
}

extension LogLine: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("level")
            writer.string(level.rawValue)
            writer.key("message")
            writer.string(message)
        }
    }

    // Seldom: a no-op job logs nothing.
    public init(_ reader: inout JSONReader) throws { self = try reader.seldom() }
}

extension JobProgress: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("done")
            writer.number(done)
            writer.optional("message", message)
            if let metrics {
                writer.key("metrics")
                writer.object { writer in
                    for (name, value) in metrics.sorted(by: { $0.key < $1.key }) {
                        writer.key(name)
                        writer.number(value)
                    }
                }
            }
            writer.optional("total", total)
            writer.optional("unit", unit)
        }
    }

    public init(_ reader: inout JSONReader) throws {
        var (done, total) = (Double?.none, Double?.none)
        var (unit, message) = (String?.none, String?.none)
        var metrics: [String: Double]?
        try reader.object { key, reader in
            switch key {
            case "done": done = try reader.double()
            case "total": total = try reader.optional()
            case "unit": unit = try reader.optional()
            case "message": message = try reader.optional()
            case "metrics": metrics = try reader.seldom()
            default: try reader.skip()
            }
        }
        self.init(done: try reader.required(done, "done"), total: total, unit: unit, message: message, metrics: metrics)
    }
}

extension JobFailure: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("code")
            writer.string(code)
            writer.optional("hint", hint)
            writer.key("message")
            writer.string(message)
            if let retryAfter {
                writer.key("retryAfter")
                writer.seldom(retryAfter)
            }
            writer.key("retryable")
            writer.bool(retryable)
            writer.optional("stderrTail", stderrTail)
        }
    }

    // Seldom: what fails by the thousand a second has other worries.
    public init(_ reader: inout JSONReader) throws { self = try reader.seldom() }
}

extension JobCheckpoint: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.optional("file", file)
            writer.key("position")
            writer.value(position)
            writer.key("segments")
            writer.values(segments)
        }
    }

    public init(_ reader: inout JSONReader) throws { self = try reader.seldom() }
}
