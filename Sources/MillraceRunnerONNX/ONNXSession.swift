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
    /// The model's file, for as long as the session reads from it.
    private let mapping: MappedFile?
    let signature: ModelSignature

    private var api: UnsafePointer<MillraceOrtApi> { library.api }

    init(library: ONNXRuntimeLibrary, model path: String, threads: Int, optimization: ONNXModel.Options.Optimization, device: ModelDevice) throws {
        let api = library.api
        var settings: OpaquePointer?
        try api.check(api.pointee.CreateSessionOptions(&settings))
        guard let settings else { throw ONNXRuntimeError.missing("session options") }
        defer { api.pointee.ReleaseSessionOptions(settings) }
        try api.check(api.pointee.SetIntraOpNumThreads(settings, Int32(clamping: threads)))
        try api.check(api.pointee.SetInterOpNumThreads(settings, 1))
        try api.check(api.pointee.SetSessionGraphOptimizationLevel(settings, optimization.rawValue))
        // Threads that look for work may spin while a call runs, and not beyond it: other workers need the cores.
        try api.check(api.pointee.AddSessionConfigEntry(settings, "session.force_spinning_stop", "1"))
        if case .cuda(let number) = device { try library.appendCUDA(to: settings, device: number) }

        var created: OpaquePointer?
        mapping = path.hasSuffix(".ort") ? try MappedFile(path) : nil
        if let mapping {
            // Weights are used where they lie: every worker of this model on the machine shares them.
            try api.check(api.pointee.AddSessionConfigEntry(settings, "session.use_ort_model_bytes_directly", "1"))
            try api.check(api.pointee.AddSessionConfigEntry(settings, "session.use_ort_model_bytes_for_initializers", "1"))
            try api.check(api.pointee.CreateSessionFromArray(library.environment, mapping.start, mapping.byteCount, settings, &created))
        } else {
            try api.check(api.pointee.CreateSession(library.environment, path, settings, &created))
        }
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

    /// The text of this key in the file's own properties.
    func metadata(_ key: String) throws -> String? {
        var properties: OpaquePointer?
        try api.check(api.pointee.SessionGetModelMetadata(session, &properties))
        guard let properties else { throw ONNXRuntimeError.missing("metadata") }
        defer { api.pointee.ReleaseModelMetadata(properties) }
        var allocator: OpaquePointer?
        try api.check(api.pointee.GetAllocatorWithDefaultOptions(&allocator))
        guard let allocator else { throw ONNXRuntimeError.missing("allocator") }
        var text: UnsafeMutablePointer<CChar>?
        try api.check(api.pointee.ModelMetadataLookupCustomMetadataMap(properties, allocator, key, &text))
        guard let text else { return nil }
        let copy = String(cString: text)
        try api.check(api.pointee.AllocatorFree(allocator, text))
        return copy
    }

    /// Runs the model once.
    ///
    /// - Parameters:
    ///   - inputs: One tensor per input of ``signature``, in its order, with the batch axis.
    ///   - body: Is given one tensor per output of ``signature``, in its order, with whatever shape the model gave. They end with it.
    /// - Throws: ``ONNXRuntimeError``; what `body` throws.
    func run<Result>(_ inputs: [TensorView], _ body: ([TensorView]) throws -> Result) throws -> Result {
        precondition(inputs.count == signature.inputs.count, "one tensor for each input")
        var values: [OpaquePointer?] = []
        var outputs = [OpaquePointer?](repeating: nil, count: signature.outputs.count)
        defer { (values + outputs).forEach { api.pointee.ReleaseValue($0) } }
        for input in inputs { values.append(try value(of: input)) }
        try Self.withCStrings(signature.inputs.map(\.name)) { inputNames in
            try Self.withCStrings(signature.outputs.map(\.name)) { outputNames in
                try api.check(
                    api.pointee.Run(
                        session, nil, inputNames, values, values.count, outputNames, outputs.count, &outputs))
            }
        }
        return try body(try zip(outputs, signature.outputs).map { try view(of: $0, port: $1) })
    }

    /// ONNX Runtime does not copy it, and only reads it.
    private func value(of input: TensorView) throws -> OpaquePointer? {
        guard let address = input.bytes.baseAddress else { throw ONNXRuntimeError.missing("memory") }
        let shape = input.shape.map(Int64.init)
        var value: OpaquePointer?
        try api.check(
            api.pointee.CreateTensorWithDataAsOrtValue(
                memory, UnsafeMutableRawPointer(mutating: address), input.bytes.count, shape, shape.count, input.element.onnx, &value))
        return value
    }

    private func view(of value: OpaquePointer?, port: ModelSignature.Port) throws -> TensorView {
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
        guard count > 0 else { return TensorView(element: element, shape: shape, bytes: UnsafeRawBufferPointer(start: nil, count: 0)) }
        var data: UnsafeMutableRawPointer?
        try api.check(api.pointee.GetTensorMutableData(value, &data))
        guard let data else { throw ONNXRuntimeError.missing("data of output \"\(port.name)\"") }
        return TensorView(element: element, shape: shape, bytes: UnsafeRawBufferPointer(start: data, count: count))
    }

    private static func withCStrings<Value>(
        _ strings: [String], _ body: ([UnsafePointer<CChar>?]) throws -> Value
    ) throws -> Value {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return try body(copies.map { $0.map { UnsafePointer($0) } })
    }
}
