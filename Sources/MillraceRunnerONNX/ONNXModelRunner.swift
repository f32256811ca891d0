import Foundation
import MillraceCore
import MillraceInference
import Synchronization

/// Runs an ONNX model in this process.
///
/// Items carry tensors without the batch axis; ``ONNXBatching`` says how they are put together. An item that does not
/// fit the model's ports fails alone, with `invalid_input`. The model computes on a thread of its own, outside of
/// Swift's cooperative pool.
public final class ONNXModelRunner: ModelRunner {
    public struct Options: Sendable {
        /// `GraphOptimizationLevel`
        public enum Optimization: Int32, Sendable { case none = 0, basic = 1, extended = 2, all = 99 }

        /// Threads inside one operator; 0: as many as there are cores.
        public var threads: Int
        public var optimization: Optimization

        public init(threads: Int = 0, optimization: Optimization = .all) {
            self.threads = threads
            self.optimization = optimization
        }
    }

    private struct Loaded {
        var session: ONNXSession
        var batching: ONNXBatching
    }

    private let model: String
    private let libraryCandidates: [String]
    private let options: Options
    private let queue = BlockingQueue(label: "millrace.onnx")
    private let loaded = Mutex<Loaded?>(nil)

    /// - Parameters:
    ///   - model: Path of the `.onnx` file.
    ///   - libraryCandidates: Where ONNX Runtime is looked for; see ``ONNXRuntimeLibrary/locate(candidates:)``.
    public init(model: String, libraryCandidates: [String], options: Options = Options()) {
        self.model = model
        self.libraryCandidates = libraryCandidates
        self.options = options
    }

    public var signature: ModelSignature? { loaded.withLock { $0?.session.signature } }

    /// - Throws: `model_unavailable` when the library or the model's file is missing, or either cannot be used.
    public func load() async throws {
        let (model, candidates, options) = (model, libraryCandidates, options)
        let session = try await queue.run {
            let library = try ONNXRuntimeLibrary.open(ONNXRuntimeLibrary.locate(candidates: candidates))
            guard FileManager.default.isReadableFile(atPath: model) else {
                throw MillraceError(
                    .modelUnavailable, "the model's file \(model) is missing or cannot be read",
                    hint: "check files.model in model.yaml; dev/setup fetches weights that are not in the repository")
            }
            do {
                return try ONNXSession(library: library, model: model, options: options)
            } catch let error as ONNXRuntimeError {
                throw MillraceError(
                    .modelUnavailable, "ONNX Runtime \(library.version) cannot load \(model): \(error.message)",
                    hint: "a damaged file, or an operator set newer than the library")
            }
        }
        let batching = try ONNXBatching(signature: session.signature)
        loaded.withLock { $0 = Loaded(session: session, batching: batching) }
    }

    /// - Throws: ``BatchFailure/outOfMemory(_:)`` or ``BatchFailure/unattributed(_:)`` (`model_error`);
    ///   `model_unavailable` before ``load()`` or after ``close()``.
    public func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        guard let loaded = loaded.withLock({ $0 }) else {
            throw MillraceError(.modelUnavailable, "the model is not loaded")
        }
        var outcomes = [ItemOutcome](repeating: .cancelled, count: batch.count)
        var items: [(position: Int, tensors: [String: Tensor])] = []
        for (position, item) in batch.enumerated() {
            guard case .tensors(let tensors) = item.payload else {
                preconditionFailure("an ONNX model takes tensors; jobs for a handler go to a process runner")
            }
            if let failure = loaded.batching.objection(to: tensors) {
                outcomes[position] = .failed(failure)
            } else {
                items.append((position, tensors))
            }
        }
        for positions in loaded.batching.calls(for: items) {
            let tensors = positions.compactMap { position -> [String: Tensor]? in
                if case .tensors(let tensors) = batch[position].payload { tensors } else { nil }
            }
            let results = try await Self.call(loaded, tensors, on: queue)
            for (position, result) in zip(positions, results) { outcomes[position] = .tensors(result) }
        }
        return outcomes
    }

    private static func call(
        _ loaded: Loaded, _ items: [[String: Tensor]], on queue: BlockingQueue
    ) async throws -> [[String: Tensor]] {
        let (session, batching) = (loaded.session, loaded.batching)
        do {
            return try await queue.run {
                try batching.split(session.run(batching.stacked(items)), count: items.count)
            }
        } catch let error as ONNXRuntimeError {
            if error.isOutOfMemory { throw BatchFailure.outOfMemory(error.message) }
            throw BatchFailure.unattributed(JobFailure(.modelError, "the model failed: \(error.message)"))
        } catch let failure as JobFailure {
            throw BatchFailure.unattributed(failure)
        }
    }

    /// Does nothing: a batch takes milliseconds, and its result is dropped by whoever cancelled.
    public func cancel(_ item: ItemID, reason: CancellationReason) async {}

    public func close() async {
        loaded.withLock { $0 = nil }
    }
}
