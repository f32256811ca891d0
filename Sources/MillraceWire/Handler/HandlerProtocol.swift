/// The handler protocol: how a runner talks to a model that runs in a process of its own.
///
/// The specification is `docs/architecture/03-handler-protocol.md`. A frame is a 4-byte big-endian length and that many
/// bytes of UTF-8 JSON, one object whose `type` says which message it is.
public enum HandlerProtocol {
    public static let version = 1
    /// Bytes of one frame's JSON; bigger things go through files.
    public static let frameBytesMax = 1 << 20

    /// What a handler finds in its environment.
    public enum Variable {
        /// The path of the Unix socket to connect to, twice.
        public static let socket = "MILLRACE_HANDLER_SOCKET"
        /// The model's directory, which is the working directory too.
        public static let modelDirectory = "MILLRACE_MODEL_DIR"
        /// The ``Feature``s of the runner, separated by commas.
        public static let features = "MILLRACE_HANDLER_FEATURES"
    }

    /// What goes beyond the first version of the protocol, and is used only where both sides say that they know it.
    public enum Feature: String, Sendable, CaseIterable {
        /// Images and tensors in shared memory.
        case sharedMemory = "shm"
    }

    /// Bytes of the tensors in the answers of one batch.
    public static let tensorBytesMax = 1 << 30

    public enum Channel: String, Sendable, Codable, Equatable {
        /// Everything that must get through while the model computes.
        case control
        /// Batches and their answers.
        case work
    }

    /// An item's number within one worker process.
    public typealias Item = Int64
}
