import Foundation
import MillraceCore
import Synchronization

/// Runs batches of tensors through one model in this process.
///
/// Items carry tensors without the batch axis; ``TensorBatching`` says how they are put together. An item that does not
/// fit the model's ports fails alone, with `invalid_input`. The model computes on threads of its own, outside of
/// Swift's cooperative pool: a batch is cut so that every lane of the model has its part.
public final class TensorModelRunner: ModelRunner {
    private let model: any TensorModel
    private let queue = BlockingQueue(label: "millrace.inference.model")
    private struct State {
        var batching: TensorBatching?
        /// Seconds that a lone call took in one lane: models that take long are given the whole device when nothing else runs.
        var loneCallSeconds = 0.0
    }
    private let state = Mutex(State())
    private static let longCallSeconds = 0.05

    /// Nanoseconds since 1970, to see how long calls take.
    private let clock: @Sendable () -> Int64

    public init(_ model: any TensorModel, clock: @escaping @Sendable () -> Int64 = Surroundings.wallNanoseconds) {
        self.model = model
        self.clock = clock
    }

    public var signature: ModelSignature? { model.signature }

    /// Loads the model and runs it once where its ports say how large an example is.
    /// - Throws: `model_unavailable` when the model cannot be used.
    public func load() async throws {
        let model = model
        let batching = try await queue.run {
            try model.load()
            guard let signature = model.signature else { throw MillraceError(.modelUnavailable, "the model has no ports") }
            let batching = try TensorBatching(signature: signature)
            try batching.blank().map { try $0.withViews { try model.call($0, share: .lane) { _ in } } }
            return batching
        }
        state.withLock { $0.batching = batching }
    }

    /// - Throws: ``BatchFailure/outOfMemory(_:)`` or ``BatchFailure/unattributed(_:)`` (`model_error`);
    ///   `model_unavailable` before ``load()`` or after ``close()``.
    public func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        let (batching, loneCallSeconds) = state.withLock { ($0.batching, $0.loneCallSeconds) }
        guard let batching else { throw MillraceError(.modelUnavailable, "the model is not loaded") }
        var outcomes = [ItemOutcome](repeating: .cancelled, count: batch.count)
        var items: [(position: Int, tensors: [String: Tensor])] = []
        for (position, item) in batch.enumerated() {
            guard case .tensors(let tensors) = item.payload else {
                preconditionFailure("a model on tensors takes tensors; jobs for a handler go to a process runner")
            }
            if let failure = batching.objection(to: tensors) {
                outcomes[position] = .failed(failure)
            } else {
                items.append((position, tensors))
            }
        }
        let calls = batching.calls(for: items, lanes: model.lanes, batchesPay: model.batchesPay)
        let share: DeviceShare = calls.count == 1 && loneCallSeconds > Self.longCallSeconds ? .whole : .lane
        for (positions, results) in zip(calls, try await run(calls, of: batch, batching, share)) {
            for (position, result) in zip(positions, results) { outcomes[position] = .tensors(result) }
        }
        return outcomes
    }

    private func run(
        _ calls: [[Int]], of batch: [InferenceItem], _ batching: TensorBatching, _ share: DeviceShare
    ) async throws -> [[[String: Tensor]]] {
        let (model, clock) = (model, clock)
        let (results, nanoseconds) = try await queue.run {
            let begun = clock()
            let results = Mutex([[[String: Tensor]]](repeating: [], count: calls.count))
            try Lanes.forEach(calls.count, lanes: model.lanes) { number in
                let items = calls[number].compactMap { position -> [String: Tensor]? in
                    if case .tensors(let tensors) = batch[position].payload { tensors } else { nil }
                }
                let result = try Self.call(model, items, batching, share)
                results.withLock { $0[number] = result }
            }
            return (results.withLock { $0 }, clock() - begun)
        }
        if calls.count == 1, case .lane = share { state.withLock { $0.loneCallSeconds = Double(nanoseconds) / 1e9 } }
        return results
    }

    private static func call(
        _ model: any TensorModel, _ items: [[String: Tensor]], _ batching: TensorBatching, _ share: DeviceShare
    ) throws -> [[String: Tensor]] {
        do {
            return try batching.stacked(items).withViews { inputs in
                try model.call(inputs, share: share) { try batching.split($0, count: items.count) }
            }
        } catch let failure as JobFailure {
            throw BatchFailure.unattributed(failure)
        }
    }

    /// Does nothing: a batch takes milliseconds, and its result is dropped by whoever cancelled.
    public func cancel(_ item: ItemID, reason: CancellationReason) async {}

    public func close() async {
        state.withLock { $0.batching = nil }
        model.close()
    }
}
