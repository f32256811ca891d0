import Foundation
import MillraceCore
import MillraceInference
import Synchronization

/// A model in ONNX Runtime.
///
/// On a CPU each call computes on the thread that makes it, so that as many calls as there are threads run side by side
/// and none waits for a pool of threads: two calls of one thread end 6 to 16 % sooner than one after the other on two, and
/// nothing spins between calls. A call that is to have the whole device gets a second session, made when it is first wanted.
public final class ONNXModel: TensorModel {
    public struct Options: Sendable {
        /// `GraphOptimizationLevel`
        public enum Optimization: Int32, Sendable { case none = 0, basic = 1, extended = 2, all = 99 }

        /// Cores the model may use; 0: all of them.
        public var threads: Int
        public var optimization: Optimization
        public var device: DeviceChoice
        /// Told why a model computes on the CPU though `device: auto` found a GPU.
        public var onFallback: @Sendable (String) -> Void

        public init(
            threads: Int = 0, optimization: Optimization = .all, device: DeviceChoice = .cpu,
            onFallback: @escaping @Sendable (String) -> Void = { _ in }
        ) {
            self.threads = threads
            self.optimization = optimization
            self.device = device
            self.onFallback = onFallback
        }
    }

    private struct Loaded {
        var runtime: ONNXRuntimeLibrary
        var device: ModelDevice
        var lane: ONNXSession
        var whole: ONNXSession?
    }

    private let path: String
    private let candidates: [String]
    private let options: Options
    private let threads: Int
    private let loaded = Mutex<Loaded?>(nil)

    /// - Parameters:
    ///   - path: Of the `.onnx` file.
    ///   - libraryCandidates: Where ONNX Runtime is looked for; see ``ONNXRuntimeLibrary/locate(candidates:)``.
    public init(path: String, libraryCandidates: [String], options: Options = Options()) {
        self.path = path
        candidates = libraryCandidates
        self.options = options
        threads = options.threads > 0 ? options.threads : ProcessInfo.processInfo.activeProcessorCount
    }

    public var signature: ModelSignature? { loaded.withLock { $0?.lane.signature } }

    /// Where the model computes; `nil` before ``load()``.
    public var device: ModelDevice? { loaded.withLock { $0?.device } }

    /// A GPU runs one call after the other anyway.
    public var lanes: Int { device ?? .cpu == .cpu ? threads : 1 }

    /// What is no protobuf cannot be looked through, and is suspected.
    public var quantizesAtRunTime: Bool { path.hasSuffix(".ort") || ONNXOperators.quantizeAtRunTime(inFileAt: path) }

    public var batchesPay: Bool { device ?? .cpu != .cpu }

    /// - Throws: `model_unavailable` when the library or the model's file is missing, or either cannot be used.
    public func load() throws {
        let library = try ONNXRuntimeLibrary.open(ONNXRuntimeLibrary.locate(candidates: candidates))
        guard FileManager.default.isReadableFile(atPath: path) else {
            throw MillraceError(
                .modelUnavailable, "the model's file \(path) is missing or cannot be read",
                hint: "check files in model.yaml; dev/setup fetches weights that are not in the repository")
        }
        let (lane, device) = try firstSession(library)
        loaded.withLock { $0 = Loaded(runtime: library, device: device, lane: lane) }
    }

    private func firstSession(_ library: ONNXRuntimeLibrary) throws -> (ONNXSession, ModelDevice) {
        switch options.device {
        case .cpu: break
        case .gpu: return (try session(library, threads: 1, device: .cuda(0)), .cuda(0))
        case .auto:
            guard ModelDevice.gpuCount > 0 else { break }
            do {
                return (try session(library, threads: 1, device: .cuda(0)), .cuda(0))
            } catch let error as MillraceError {
                options.onFallback(error.message)
            }
        }
        return (try session(library, threads: 1, device: .cpu), .cpu)
    }

    private func session(_ library: ONNXRuntimeLibrary, threads: Int, device: ModelDevice) throws -> ONNXSession {
        do {
            return try ONNXSession(library: library, model: path, threads: threads, optimization: options.optimization, device: device)
        } catch let error as ONNXRuntimeError {
            throw MillraceError(
                .modelUnavailable, "ONNX Runtime \(library.version) cannot load \(path): \(error.message)",
                hint: "a damaged file, or an operator set newer than the library")
        }
    }

    public func metadata(_ key: String) throws -> String? {
        try session(for: .lane).metadata(key)
    }

    public func call<Result>(_ inputs: [TensorView], share: DeviceShare, _ body: ([TensorView]) throws -> Result) throws -> Result {
        let session = try session(for: share)
        do {
            return try session.run(inputs, body)
        } catch let error as ONNXRuntimeError {
            if error.isOutOfMemory { throw BatchFailure.outOfMemory(error.message) }
            throw BatchFailure.unattributed(JobFailure(.modelError, "the model failed: \(error.message)"))
        }
    }

    private func session(for share: DeviceShare) throws -> ONNXSession {
        // A second caller waits for the session that the first one makes.
        try loaded.withLock { loaded in
            guard let current = loaded else { throw MillraceError(.modelUnavailable, "the model is not loaded") }
            guard case .whole = share, current.device == .cpu, threads > 1 else { return current.lane }
            if let whole = current.whole { return whole }
            // Where there is no memory for a second one, the first is good enough.
            guard let whole = try? session(current.runtime, threads: threads, device: current.device) else { return current.lane }
            loaded?.whole = whole
            return whole
        }
    }

    public func close() {
        loaded.withLock { $0 = nil }
    }
}

/// Where a model computes.
public enum ModelDevice: Sendable, Equatable {
    case cpu
    /// The CUDA device of this number.
    case cuda(Int)

    /// How many of NVIDIA's GPUs this machine, or this container, has.
    public static var gpuCount: Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/driver/nvidia/gpus")) ?? []
        return names.count
    }
}
