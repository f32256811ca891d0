import MillraceInference

/// A pipeline around models that take tensors, which says what runs them.
public protocol ModelPipeline: InferencePipeline {
    /// Makes the runner of this pipeline's items, not loaded yet.
    ///
    /// - Parameter open: Makes a model of the file that has this role in the manifest.
    func makeRunner(_ open: (_ role: String) throws -> any TensorModel) throws -> any ModelRunner
    /// Items that differ as much as a job's may, at least two, to see whether they move each other in a call. None unless said: then
    /// they are made up by the model's ports.
    var examples: [[String: Tensor]] { get }
}

extension ModelPipeline {
    /// One model, `files.model`.
    public func makeRunner(_ open: (_ role: String) throws -> any TensorModel) throws -> any ModelRunner {
        TensorModelRunner(try open("model"), examples: { self.examples })
    }

    public var examples: [[String: Tensor]] { [] }
}
