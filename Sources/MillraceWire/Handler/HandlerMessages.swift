import MillraceCore

// From the handler to its runner.

/// What a handler says on its control channel.
public enum HandlerControlMessage: Sendable, Equatable {
    /// The first frame.
    case hello(Hello)
    /// The model is loaded; batches may come.
    case ready(Ready)
    /// The model cannot be loaded; the process ends itself after this.
    case fatal(Fatal)
    /// How far an item is; the latest wins.
    case progress(Progress)
    case log(Log)
    /// Asks to store a file from which a later attempt can go on; answered by ``RunnerControlMessage/checkpointed(_:)``.
    case checkpoint(Checkpoint)
    case pong(Pong)

    public struct Hello: Sendable, Codable, Equatable {
        public var channel: HandlerProtocol.Channel
        public var `protocol`: Int
        public var pid: Int
        public init(channel: HandlerProtocol.Channel = .control, protocol: Int = HandlerProtocol.version, pid: Int) {
            self.channel = channel
            self.protocol = `protocol`
            self.pid = pid
        }
    }
    public struct Ready: Sendable, Codable, Equatable {
        /// How many items one batch may have, at least 1.
        public var batchMax: Int
        /// Names of ``HandlerProtocol/Feature``s; those that this runner does not know are ignored.
        public var features: [String]?
        public init(batchMax: Int, features: [String]? = nil) {
            self.batchMax = batchMax
            self.features = features
        }
    }
    public struct Fatal: Sendable, Codable, Equatable {
        public var message: String
        public init(message: String) { self.message = message }
    }
    public struct Progress: Sendable, Codable, Equatable {
        public var item: HandlerProtocol.Item
        public var done: Double
        public var total: Double?
        public var unit: String?
        public var message: String?
        public var metrics: [String: Double]?
        public init(
            item: HandlerProtocol.Item, done: Double, total: Double? = nil, unit: String? = nil, message: String? = nil,
            metrics: [String: Double]? = nil
        ) {
            self.item = item
            self.done = done
            self.total = total
            self.unit = unit
            self.message = message
            self.metrics = metrics
        }
    }
    public struct Log: Sendable, Codable, Equatable {
        /// `nil`: about the handler, not one item.
        public var item: HandlerProtocol.Item?
        public var level: LogLine.Level
        public var message: String
        public init(item: HandlerProtocol.Item? = nil, level: LogLine.Level, message: String) {
            self.item = item
            self.level = level
            self.message = message
        }
    }
    public struct Checkpoint: Sendable, Codable, Equatable {
        public var item: HandlerProtocol.Item
        public var seq: Int64
        /// A file under the item's `workdir`.
        public var path: String
        /// Whatever the handler needs to find its place again; absent means null.
        public var position: JSONValue?
        public init(item: HandlerProtocol.Item, seq: Int64, path: String, position: JSONValue?) {
            self.item = item
            self.seq = seq
            self.path = path
            self.position = position
        }
    }
    public struct Pong: Sendable, Codable, Equatable {
        public var seq: Int64
        public init(seq: Int64) { self.seq = seq }
    }
}

/// What a handler says on its work channel: for every item of a batch one answer, then how the batch ended.
public enum HandlerWorkMessage: Sendable, Equatable {
    /// The first frame.
    case hello(Hello)
    case result(Result)
    /// The item failed; its neighbours are untouched.
    case error(Failure)
    /// The item stopped as asked.
    case cancelled(Stop)
    /// Every item of the batch has its answer.
    case done(Done)
    /// The batch failed as a whole, in place of ``done(_:)``.
    case failed(Breakdown)

    public struct Hello: Sendable, Codable, Equatable {
        public var channel: HandlerProtocol.Channel
        public init(channel: HandlerProtocol.Channel = .work) { self.channel = channel }
    }
    public struct Result: Sendable, Codable, Equatable {
        public struct Output: Sendable, Codable, Equatable {
            public var name: String
            public var path: String
            public var mediaType: String
            public init(name: String, path: String, mediaType: String) {
                self.name = name
                self.path = path
                self.mediaType = mediaType
            }
        }
        public var batch: Int64
        public var item: HandlerProtocol.Item
        /// The result itself. A `json` of null is the result null; without the field the first output is the result.
        public var json: JSONValue?
        public var outputs: [Output]
        /// Outputs in shared memory, each by its name.
        public var tensors: [NamedTensor]
        public init(
            batch: Int64, item: HandlerProtocol.Item, json: JSONValue? = nil, outputs: [Output] = [], tensors: [NamedTensor] = []
        ) {
            self.batch = batch
            self.item = item
            self.json = json
            self.outputs = outputs
            self.tensors = tensors
        }
    }
    public struct Failure: Sendable, Codable, Equatable {
        public var batch: Int64
        public var item: HandlerProtocol.Item
        public var code: String
        public var message: String
        public var hint: String?
        public var retryable: Bool
        public var retryAfterSeconds: Double?
        public init(
            batch: Int64, item: HandlerProtocol.Item, code: String, message: String, hint: String? = nil, retryable: Bool,
            retryAfterSeconds: Double? = nil
        ) {
            self.batch = batch
            self.item = item
            self.code = code
            self.message = message
            self.hint = hint
            self.retryable = retryable
            self.retryAfterSeconds = retryAfterSeconds
        }
    }
    public struct Stop: Sendable, Codable, Equatable {
        public var batch: Int64
        public var item: HandlerProtocol.Item
        public init(batch: Int64, item: HandlerProtocol.Item) {
            self.batch = batch
            self.item = item
        }
    }
    public struct Done: Sendable, Codable, Equatable {
        public var batch: Int64
        public init(batch: Int64) { self.batch = batch }
    }
    public struct Breakdown: Sendable, Codable, Equatable {
        public var batch: Int64
        public var code: String
        public var message: String
        public var retryable: Bool
        public init(batch: Int64, code: String, message: String, retryable: Bool) {
            self.batch = batch
            self.code = code
            self.message = message
            self.retryable = retryable
        }
    }
}

extension HandlerWorkMessage.Result {
    private enum Key: String, CodingKey { case batch, item, json, outputs, tensors }

    /// By hand, for the difference between a `json` that is null and none at all, and because the lists may be absent.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        batch = try container.decode(Int64.self, forKey: .batch)
        item = try container.decode(HandlerProtocol.Item.self, forKey: .item)
        json = container.contains(.json) ? .some(try container.decode(JSONValue.self, forKey: .json)) : .none
        outputs = try container.decodeIfPresent([Output].self, forKey: .outputs) ?? []
        tensors = try container.decodeIfPresent([NamedTensor].self, forKey: .tensors) ?? []
    }
}
