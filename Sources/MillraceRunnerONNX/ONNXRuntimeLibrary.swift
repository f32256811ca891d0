import COnnxRuntime
import Foundation
import MillraceCore
import Synchronization

/// ONNX Runtime's shared library, loaded at run time through its C API.
///
/// There is no link-time dependency: the CPU and the GPU build of the library serve the same binary. A library stays
/// loaded until the process ends, with one `OrtEnv`.
public struct ONNXRuntimeLibrary: @unchecked Sendable {
    // Unchecked: both pointers are set once and point to what ONNX Runtime lets every thread use at the same time.
    let api: UnsafePointer<MillraceOrtApi>
    let environment: OpaquePointer
    public let path: String
    /// The library's own version, such as `1.31.1`.
    public let version: String
    /// Only where the library was built for CUDA.
    private let appendCUDA: (@convention(c) (OpaquePointer, Int32) -> OpaquePointer?)?

    private static let opened = Mutex<[String: ONNXRuntimeLibrary]>([:])

    /// The first library among the candidates.
    ///
    /// - Parameter candidates: Each a file, a directory that holds `libonnxruntime.so*` or `libonnxruntime*.dylib`, or
    ///   a pattern with `*` for either, such as `.venv/lib/python3*/site-packages/onnxruntime/capi`.
    /// - Throws: `model_unavailable`, which names where was looked.
    public static func locate(candidates: [String]) throws -> String {
        for candidate in candidates {
            for path in matches(of: candidate) {
                if let library = library(at: path) { return library }
            }
        }
        throw MillraceError(
            .modelUnavailable,
            "ONNX Runtime was not found" + (candidates.isEmpty ? "" : "; looked at " + candidates.joined(separator: ", ")),
            hint: "run dev/setup, or set MILLRACE_ONNXRUNTIME to the path of libonnxruntime.so")
    }

    /// Loads the library, or returns it when it is loaded already.
    ///
    /// - Throws: `model_unavailable` when the file is no ONNX Runtime or an older one than version 1.13.
    public static func open(_ path: String) throws -> ONNXRuntimeLibrary {
        try opened.withLock { opened in
            if let library = opened[path] { return library }
            let library = try ONNXRuntimeLibrary(loading: path)
            opened[path] = library
            return library
        }
    }

    private init(loading path: String) throws {
        var library = MillraceOrtLibrary()
        var message = [CChar](repeating: 0, count: 512)
        guard millrace_ort_open(path, &library, &message, message.count) == 0 else {
            let reason = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw MillraceError(
                .modelUnavailable, "\(path) cannot be used as ONNX Runtime: \(reason)",
                hint: "point MILLRACE_ONNXRUNTIME to the libonnxruntime.so of this machine's architecture")
        }
        let version = library.version.map { String(cString: $0) } ?? "unknown"
        guard let api = library.api else {
            throw MillraceError(
                .modelUnavailable, "ONNX Runtime \(version) at \(path) is too old",
                hint: "version 1.\(MILLRACE_ORT_API_VERSION) or newer is needed: pip install --upgrade onnxruntime")
        }
        var environment: OpaquePointer?
        // Errors come back as statuses; on standard error they would only be there twice.
        try api.check(api.pointee.CreateEnv(Int32(MILLRACE_ORT_LOG_FATAL), "millrace", &environment))
        guard let environment else { throw ONNXRuntimeError.missing("environment") }
        self.api = api
        self.environment = environment
        self.path = path
        self.version = version
        appendCUDA = library.appendCUDA
    }

    /// Whether this build of the library can compute on NVIDIA's GPUs; the driver may still be missing.
    public var hasCUDA: Bool { appendCUDA != nil }

    /// - Throws: `model_unavailable`: a library for CPUs alone must not pass for one that uses the GPU.
    func appendCUDA(to settings: OpaquePointer, device: Int) throws {
        guard let appendCUDA else {
            throw MillraceError(
                .modelUnavailable, "device: gpu was asked for, but ONNX Runtime \(version) at \(path) is a build for CPUs",
                hint: "install onnxruntime-gpu in place of onnxruntime, or set device: cpu or device: auto")
        }
        do {
            try api.check(appendCUDA(settings, Int32(clamping: device)))
        } catch let error as ONNXRuntimeError {
            throw MillraceError(
                .modelUnavailable, "device: gpu was asked for, but CUDA device \(device) cannot be used: \(error.message)",
                hint: "nvidia-smi shows the GPUs; the container must be given them, and CUDA and cuDNN must fit onnxruntime-gpu")
        }
    }

    private static func matches(of candidate: String) -> [String] {
        guard candidate.contains("*") else { return [candidate] }
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(candidate, 0, nil, &found) == 0, let paths = found.gl_pathv else { return [] }
        return (0..<Int(found.gl_pathc)).compactMap { paths[$0].map { String(cString: $0) } }
    }

    private static func library(at path: String) -> String? {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { return nil }
        guard isDirectory.boolValue else { return path }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.sorted().first {
            $0.hasPrefix("libonnxruntime.so") || ($0.hasPrefix("libonnxruntime.") && $0.hasSuffix(".dylib"))
        }.map { path + "/" + $0 }
    }
}

/// What a call of ONNX Runtime answered in place of success.
struct ONNXRuntimeError: Error, Equatable {
    /// `OrtErrorCode`: 2 is "invalid argument", 3 "no such file", 6 "runtime exception", 7 "invalid protobuf".
    var code: Int32
    var message: String

    static func missing(_ what: String) -> Self {
        Self(code: 1, message: "ONNX Runtime gave no \(what)")
    }

    /// Whether an allocation failed. ONNX Runtime has no code of its own for this, on neither the CPU nor CUDA.
    var isOutOfMemory: Bool {
        let text = message.lowercased()
        return ["failed to allocate memory", "bad_alloc", "out of memory", "bfcarena::", "cudaerrormemoryallocation"]
            .contains { text.contains($0) }
    }
}

extension UnsafePointer<MillraceOrtApi> {
    /// Releases the status and throws what it says.
    func check(_ status: OpaquePointer?) throws(ONNXRuntimeError) {
        guard let status else { return }
        defer { pointee.ReleaseStatus(status) }
        throw ONNXRuntimeError(
            code: pointee.GetErrorCode(status),
            message: pointee.GetErrorMessage(status).map { String(cString: $0) } ?? "no reason given")
    }
}
