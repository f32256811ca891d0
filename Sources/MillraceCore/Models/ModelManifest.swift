/// `model.yaml`: what a model is and how it is run.
public struct ModelManifest: Sendable, Codable, Equatable {
    /// `echo` is built in and gives back what it gets.
    public enum RunnerKind: String, Sendable, Codable, CaseIterable { case onnx, process, http, echo }

    public var name: String
    public var description: String?
    public var license: String?
    public var runner: RunnerKind
    /// What turns inputs into tensors and back; only for `runner: onnx`.
    public var pipeline: String?
    /// How a handler or a model server is started; only for `runner: process` and `runner: http`. `{python}` stands for the
    /// configured interpreter, `{port}` for the port that a model server is to listen on.
    public var command: [String]?
    /// Only for `runner: http`.
    public var server: ModelServer?
    /// Files by role, relative to the model's directory: `model`, `labels`, `vocab`.
    public var files: [String: String]
    /// Settings of the pipeline; each pipeline says which it knows.
    public var options: [String: JSONValue]
    /// Media types of input files; `application/json` stands for inline JSON. Empty: any.
    public var accepts: [String]
    public var itemsMax: Int?
    /// Whether a job may come without any input, as one that only has parameters.
    public var inputIsOptional = false
    public var parameters: [String: ParameterDeclaration]

    public init(
        name: String, description: String? = nil, license: String? = nil, runner: RunnerKind, pipeline: String? = nil,
        command: [String]? = nil, files: [String: String] = [:], options: [String: JSONValue] = [:],
        accepts: [String] = [], itemsMax: Int? = nil, parameters: [String: ParameterDeclaration] = [:]
    ) {
        self.name = name
        self.description = description
        self.license = license
        self.runner = runner
        self.pipeline = pipeline
        self.command = command
        self.files = files
        self.options = options
        self.accepts = accepts
        self.itemsMax = itemsMax
        self.parameters = parameters
    }
}
