/// The model server of `runner: http`: what it speaks and where it is.
public struct ModelServer: Sendable, Codable, Equatable {
    public enum Dialect: String, Sendable, Codable, CaseIterable {
        /// `/ping` and `/invocations`, the contract of SageMaker's hosting.
        case invocations
        /// The Open Inference Protocol, version 2.
        case openInference = "open-inference"
    }

    public var dialect: Dialect
    /// Where it is already running, without a slash at the end; `nil`: the model's `command` starts it.
    public var url: String?
    /// What the server calls the model, and which version of it is meant; only for ``Dialect/openInference``.
    public var model: String?
    public var version: String?
    /// How long it may take until it is ready.
    public var startMax: Duration = .seconds(120)
    /// Bytes of one answer.
    public var bytesMax: Int64 = 1_000_000_000

    public init(_ dialect: Dialect, url: String? = nil, model: String? = nil, version: String? = nil) {
        self.dialect = dialect
        self.url = url
        self.model = model
        self.version = version
    }
}
