import COnnxRuntime
import Foundation
import MillraceCore
import MillraceInference

/// A model that ONNX Runtime has loaded, and its ports.
///
/// Unchecked: `OrtSession` may be run from any thread, and everything else is set once.
final class ONNXSession: @unchecked Sendable {
    private let library: ONNXRuntimeLibrary
    private let session: OpaquePointer
    private let memory: OpaquePointer
    let signature: ModelSignature

    private var api: UnsafePointer<MillraceOrtApi> { library.api }

    init(library: ONNXRuntimeLibrary, model path: String, options: ONNXModelRunner.Options) throws {
        let api = library.api
        var settings: OpaquePointer?
        try api.check(api.pointee.CreateSessionOptions(&settings))
        guard let settings else { throw ONNXRuntimeError.missing("session options") }
        defer { api.pointee.ReleaseSessionOptions(settings) }
        try api.check(api.pointee.SetIntraOpNumThreads(settings, Int32(clamping: options.threads)))
        try api.check(api.pointee.SetInterOpNumThreads(settings, 1))
        try api.check(api.pointee.SetSessionGraphOptimizationLevel(settings, options.optimization.rawValue))

        var created: OpaquePointer?
        try api.check(api.pointee.CreateSession(library.environment, path, settings, &created))
        guard let created else { throw ONNXRuntimeError.missing("session") }
        do {
            var info: OpaquePointer?
            try api.check(
                api.pointee.CreateCpuMemoryInfo(
                    Int32(MILLRACE_ORT_ARENA_ALLOCATOR), Int32(MILLRACE_ORT_MEMORY_DEFAULT), &info))
            guard let info else { throw ONNXRuntimeError.missing("memory info") }
            memory = info
        } catch {
            api.pointee.ReleaseSession(created)
            throw error
        }
        do {
            signature = try ONNXPorts(api: api, session: created).signature()
        } catch {
            api.pointee.ReleaseMemoryInfo(memory)
            api.pointee.ReleaseSession(created)
            throw error
        }
        self.library = library
        session = created
    }

    deinit {
        api.pointee.ReleaseSession(session)
        api.pointee.ReleaseMemoryInfo(memory)
    }

    /// Runs the model once.
    ///
    /// - Parameter inputs: One tensor per input of ``signature``, in its order, with the batch axis.
    /// - Returns: One tensor per output of ``signature``, in its order, with whatever shape the model gave.
    /// - Throws: ``ONNXRuntimeError``.
    func run(_ inputs: [Tensor]) throws -> [Tensor] {
        precondition(inputs.count == signature.inputs.count, "one tensor for each input")
        var values: [OpaquePointer?] = []
        var outputs = [OpaquePointer?](repeating: nil, count: signature.outputs.count)
        defer { (values + outputs).forEach { api.pointee.ReleaseValue($0) } }

        // ONNX Runtime does not copy the inputs: their memory must not move before Run has returned.
        let buffers = inputs.map { tensor in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(tensor.bytes.count, 1), alignment: 64)
            buffer.copyBytes(from: tensor.bytes)
            return buffer
        }
        defer { buffers.forEach { $0.deallocate() } }
        for (tensor, buffer) in zip(inputs, buffers) {
            values.append(try value(of: tensor, in: buffer))
        }
        try Self.withCStrings(signature.inputs.map(\.name)) { inputNames in
            try Self.withCStrings(signature.outputs.map(\.name)) { outputNames in
                try api.check(
                    api.pointee.Run(
                        session, nil, inputNames, values, values.count, outputNames, outputs.count, &outputs))
            }
        }
        return try zip(outputs, signature.outputs).map { try tensor(of: $0, port: $1) }
    }

    private func value(of tensor: Tensor, in buffer: UnsafeMutableRawBufferPointer) throws -> OpaquePointer? {
        guard let address = buffer.baseAddress else { throw ONNXRuntimeError.missing("memory") }
        let shape = tensor.shape.map(Int64.init)
        var value: OpaquePointer?
        try api.check(
            api.pointee.CreateTensorWithDataAsOrtValue(
                memory, address, tensor.bytes.count, shape, shape.count, tensor.element.onnx, &value))
        return value
    }

    private func tensor(of value: OpaquePointer?, port: ModelSignature.Port) throws -> Tensor {
        guard let value else { throw ONNXRuntimeError.missing("output \"\(port.name)\"") }
        var isTensor: Int32 = 0
        try api.check(api.pointee.IsTensor(value, &isTensor))
        guard isTensor != 0 else { throw ONNXRuntimeError.missing("tensor for output \"\(port.name)\"") }
        var info: OpaquePointer?
        try api.check(api.pointee.GetTensorTypeAndShape(value, &info))
        guard let info else { throw ONNXRuntimeError.missing("shape of output \"\(port.name)\"") }
        defer { api.pointee.ReleaseTensorTypeAndShapeInfo(info) }
        let (element, shape) = try ONNXPorts(api: api, session: session).elementAndShape(of: info)
        guard let element, element == port.element, shape.allSatisfy({ $0 >= 0 }) else {
            throw ONNXRuntimeError.missing("\(port.element) values for output \"\(port.name)\"")
        }
        let count = shape.reduce(1, *) * element.byteCount
        guard count > 0 else { return Tensor(element: element, shape: shape, bytes: []) }
        var data: UnsafeMutableRawPointer?
        try api.check(api.pointee.GetTensorMutableData(value, &data))
        guard let data else { throw ONNXRuntimeError.missing("data of output \"\(port.name)\"") }
        return Tensor(element: element, shape: shape, bytes: Array(UnsafeRawBufferPointer(start: data, count: count)))
    }

    private static func withCStrings<Value>(
        _ strings: [String], _ body: ([UnsafePointer<CChar>?]) throws -> Value
    ) throws -> Value {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return try body(copies.map { $0.map { UnsafePointer($0) } })
    }
}
