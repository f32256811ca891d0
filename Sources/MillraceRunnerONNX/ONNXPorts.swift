import COnnxRuntime
import MillraceCore
import MillraceInference

/// Reads the names, element types and shapes of a session's inputs and outputs.
struct ONNXPorts {
    let api: UnsafePointer<MillraceOrtApi>
    let session: OpaquePointer

    /// Outputs that are not tensors of a known element type (a scikit-learn model's map of probabilities) are left out.
    ///
    /// - Throws: `model_unavailable` when an input cannot be served, or no output can be read.
    func signature() throws -> ModelSignature {
        var inputCount = 0
        var outputCount = 0
        try api.check(api.pointee.SessionGetInputCount(session, &inputCount))
        try api.check(api.pointee.SessionGetOutputCount(session, &outputCount))
        let inputs = try (0..<inputCount).map { index in
            let name = try name(api.pointee.SessionGetInputName, index)
            let (element, shape) = try type(api.pointee.SessionGetInputTypeInfo, index)
            guard let element, !shape.isEmpty else {
                throw MillraceError(
                    .modelUnavailable,
                    "the model's input \"\(name)\" is not a tensor of numbers with a batch axis",
                    hint: "export the model with such inputs")
            }
            return ModelSignature.Port(name: name, element: element, shape: shape)
        }
        let outputs = try (0..<outputCount).compactMap { index -> ModelSignature.Port? in
            let name = try name(api.pointee.SessionGetOutputName, index)
            let (element, shape) = try type(api.pointee.SessionGetOutputTypeInfo, index)
            return element.map { ModelSignature.Port(name: name, element: $0, shape: shape) }
        }
        guard !outputs.isEmpty else {
            throw MillraceError(
                .modelUnavailable, "none of the model's outputs is a tensor of numbers")
        }
        return ModelSignature(inputs: inputs, outputs: outputs)
    }

    /// The element type, `nil` when it is none of ours, and the axes, negative where any length is accepted.
    func elementAndShape(of info: OpaquePointer) throws -> (Tensor.Element?, [Int]) {
        var code: Int32 = 0
        var rank = 0
        try api.check(api.pointee.GetTensorElementType(info, &code))
        try api.check(api.pointee.GetDimensionsCount(info, &rank))
        var shape = [Int64](repeating: 0, count: rank)
        try api.check(api.pointee.GetDimensions(info, &shape, rank))
        return (Tensor.Element(onnx: code), shape.map { Int($0) })
    }

    private func name(
        _ read: (OpaquePointer, Int, OpaquePointer, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> OpaquePointer?,
        _ index: Int
    ) throws -> String {
        var allocator: OpaquePointer?
        try api.check(api.pointee.GetAllocatorWithDefaultOptions(&allocator))
        guard let allocator else { throw ONNXRuntimeError.missing("allocator") }
        var name: UnsafeMutablePointer<CChar>?
        try api.check(read(session, index, allocator, &name))
        guard let name else { throw ONNXRuntimeError.missing("name") }
        let text = String(cString: name)
        try api.check(api.pointee.AllocatorFree(allocator, name))
        return text
    }

    private func type(
        _ read: (OpaquePointer, Int, UnsafeMutablePointer<OpaquePointer?>) -> OpaquePointer?, _ index: Int
    ) throws -> (Tensor.Element?, [Int]) {
        var info: OpaquePointer?
        try api.check(read(session, index, &info))
        guard let info else { throw ONNXRuntimeError.missing("type") }
        defer { api.pointee.ReleaseTypeInfo(info) }
        var kind: Int32 = 0
        try api.check(api.pointee.GetOnnxTypeFromTypeInfo(info, &kind))
        guard kind == Int32(MILLRACE_ORT_TYPE_TENSOR) else { return (nil, []) }
        // Borrowed from `info`, not released.
        var tensor: OpaquePointer?
        try api.check(api.pointee.CastTypeInfoToTensorInfo(info, &tensor))
        guard let tensor else { return (nil, []) }
        return try elementAndShape(of: tensor)
    }
}

extension Tensor.Element {
    /// `ONNXTensorElementDataType`
    var onnx: Int32 {
        let value =
            switch self {
            case .bool: MILLRACE_ORT_BOOL
            case .uint8: MILLRACE_ORT_UINT8
            case .uint16: MILLRACE_ORT_UINT16
            case .uint32: MILLRACE_ORT_UINT32
            case .uint64: MILLRACE_ORT_UINT64
            case .int8: MILLRACE_ORT_INT8
            case .int16: MILLRACE_ORT_INT16
            case .int32: MILLRACE_ORT_INT32
            case .int64: MILLRACE_ORT_INT64
            case .float16: MILLRACE_ORT_FLOAT16
            case .float32: MILLRACE_ORT_FLOAT32
            case .float64: MILLRACE_ORT_FLOAT64
            }
        return Int32(value)
    }

    init?(onnx: Int32) {
        guard let element = Tensor.Element.allCases.first(where: { $0.onnx == onnx }) else { return nil }
        self = element
    }
}
