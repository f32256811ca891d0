// Each message is one flat object: its fields, and `type`, which is the name of its case.

private enum TypeKey: String, CodingKey { case type }

extension Decoder {
    fileprivate func messageType<Kind: RawRepresentable & Decodable>(_: Kind.Type = Kind.self) throws -> Kind where Kind.RawValue == String {
        try container(keyedBy: TypeKey.self).decode(Kind.self, forKey: .type)
    }
}

extension Encoder {
    fileprivate func encode(_ type: some RawRepresentable<String>, _ message: some Encodable) throws {
        var container = container(keyedBy: TypeKey.self)
        try container.encode(type.rawValue, forKey: .type)
        try message.encode(to: self)
    }
}

extension HandlerControlMessage: Codable {
    private enum Kind: String, Codable { case hello, ready, fatal, progress, log, checkpoint, pong }

    public init(from decoder: any Decoder) throws {
        self = switch try decoder.messageType(Kind.self) {
        case .hello: .hello(try Hello(from: decoder))
        case .ready: .ready(try Ready(from: decoder))
        case .fatal: .fatal(try Fatal(from: decoder))
        case .progress: .progress(try Progress(from: decoder))
        case .log: .log(try Log(from: decoder))
        case .checkpoint: .checkpoint(try Checkpoint(from: decoder))
        case .pong: .pong(try Pong(from: decoder))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .hello(let message): try encoder.encode(Kind.hello, message)
        case .ready(let message): try encoder.encode(Kind.ready, message)
        case .fatal(let message): try encoder.encode(Kind.fatal, message)
        case .progress(let message): try encoder.encode(Kind.progress, message)
        case .log(let message): try encoder.encode(Kind.log, message)
        case .checkpoint(let message): try encoder.encode(Kind.checkpoint, message)
        case .pong(let message): try encoder.encode(Kind.pong, message)
        }
    }
}

extension HandlerWorkMessage: Codable {
    private enum Kind: String, Codable { case hello, result, error, cancelled, done, failed }

    public init(from decoder: any Decoder) throws {
        self = switch try decoder.messageType(Kind.self) {
        case .hello: .hello(try Hello(from: decoder))
        case .result: .result(try Result(from: decoder))
        case .error: .error(try Failure(from: decoder))
        case .cancelled: .cancelled(try Stop(from: decoder))
        case .done: .done(try Done(from: decoder))
        case .failed: .failed(try Breakdown(from: decoder))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .hello(let message): try encoder.encode(Kind.hello, message)
        case .result(let message): try encoder.encode(Kind.result, message)
        case .error(let message): try encoder.encode(Kind.error, message)
        case .cancelled(let message): try encoder.encode(Kind.cancelled, message)
        case .done(let message): try encoder.encode(Kind.done, message)
        case .failed(let message): try encoder.encode(Kind.failed, message)
        }
    }
}

extension RunnerControlMessage: Codable {
    private enum Kind: String, Codable { case checkpointed, cancel, ping, shutdown }

    public init(from decoder: any Decoder) throws {
        self = switch try decoder.messageType(Kind.self) {
        case .checkpointed: .checkpointed(try Checkpointed(from: decoder))
        case .cancel: .cancel(try Cancel(from: decoder))
        case .ping: .ping(try Ping(from: decoder))
        case .shutdown: .shutdown(try Shutdown(from: decoder))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .checkpointed(let message): try encoder.encode(Kind.checkpointed, message)
        case .cancel(let message): try encoder.encode(Kind.cancel, message)
        case .ping(let message): try encoder.encode(Kind.ping, message)
        case .shutdown(let message): try encoder.encode(Kind.shutdown, message)
        }
    }
}

extension RunnerWorkMessage: Codable {
    private enum Kind: String, Codable { case run }

    public init(from decoder: any Decoder) throws {
        self = switch try decoder.messageType(Kind.self) {
        case .run: .run(try Run(from: decoder))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .run(let message): try encoder.encode(Kind.run, message)
        }
    }
}
