import MillraceCore

/// One network that is called with tensors and answers with tensors, such as a file that ONNX Runtime has loaded.
///
/// It knows nothing of items or batches: runners are made of one or several such models. Calls block the calling thread
/// and may be made by several threads at a time.
public protocol TensorModel: Sendable {
    /// Loads the model. Blocks for as long as that takes.
    /// - Throws: `model_unavailable`.
    func load() throws
    /// Names, shapes and types of what the model takes and gives; `nil` before ``load()``.
    var signature: ModelSignature? { get }
    /// A text that the file carries beside the network, such as a recogniser's characters; `nil`: there is none of this key.
    func metadata(_ key: String) throws -> String?
    /// How many calls at a time keep the device busy. More do no harm, and do not help.
    var lanes: Int { get }
    /// Whether a call of several items takes less time than as many calls of one. On a CPU the items of one call only drive each
    /// other out of its caches: photos through a server went 9 % faster one by one.
    var batchesPay: Bool { get }
    /// Whether the model chooses the scale of quantised tensors while it runs, so that what else is in a call may move an item's outputs.
    /// A suspicion, cheap to tell; false unless said.
    var quantizesAtRunTime: Bool { get }
    /// Runs the model once and gives its outputs to `body`, for as long as that runs.
    ///
    /// - Parameters:
    ///   - inputs: One for each input of ``signature``, in its order, batch axis included.
    ///   - share: How much of the device the call may take.
    /// - Throws: ``BatchFailure``; what `body` throws; `model_unavailable` before ``load()`` or after ``close()``.
    func call<Result>(_ inputs: [TensorView], share: DeviceShare, _ body: ([TensorView]) throws -> Result) throws -> Result
    /// Gives the memory back once the calls that run have ended.
    func close()
}

extension TensorModel {
    public var quantizesAtRunTime: Bool { false }
}

/// How much of the device one call may take.
public enum DeviceShare: Sendable {
    /// One of the model's lanes: most calls for the device's time, when there is work for all lanes.
    case lane
    /// All of it: the soonest answer, when there is nothing else to run.
    case whole
}

/// A tensor in memory that somebody else owns, for as long as a call lasts.
public struct TensorView {
    public var element: Tensor.Element
    /// The length of each axis, outermost first.
    public var shape: [Int]
    /// `shape.product * element.byteCount` bytes in the machine's byte order.
    public var bytes: UnsafeRawBufferPointer

    public init(element: Tensor.Element, shape: [Int], bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == shape.reduce(1, *) * element.byteCount, "a tensor's bytes must fit its shape")
        self.element = element
        self.shape = shape
        self.bytes = bytes
    }

    /// A copy that may be kept.
    public var tensor: Tensor { Tensor(element: element, shape: shape, bytes: Array(bytes)) }

    /// The values of a `float32` tensor. Traps on another element type.
    public var floats: UnsafeBufferPointer<Float> {
        precondition(element == .float32, "this tensor holds \(element), not float32")
        return bytes.bindMemory(to: Float.self)
    }
}

extension Array where Element == Tensor {
    /// Calls `body` with views of these tensors.
    public func withViews<Result>(_ body: ([TensorView]) throws -> Result) rethrows -> Result {
        func view(_ index: Int, _ views: [TensorView]) throws -> Result {
            guard index < count else { return try body(views) }
            return try self[index].bytes.withUnsafeBytes { bytes in
                try view(index + 1, views + [TensorView(element: self[index].element, shape: self[index].shape, bytes: bytes)])
            }
        }
        return try view(0, [])
    }
}
