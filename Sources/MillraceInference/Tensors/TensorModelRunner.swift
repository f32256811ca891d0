import Foundation
import MillraceCore
import Synchronization

/// Runs batches of tensors through one model in this process.
///
/// Items carry tensors without the batch axis; ``TensorBatching`` says how they are put together. An item that does not
/// fit the model's ports fails alone, with `invalid_input`. The model computes on threads of its own, outside of
/// Swift's cooperative pool: a batch is cut so that every lane of the model has its part. A lane that finds no more of it makes room for
/// the next batch.
///
/// A model that quantises at run time is tried when it is loaded: where the items of a call move each other's outputs, each
/// gets a call of its own.
public final class TensorModelRunner: ModelRunner, DriftMeasuring {
    private let model: any TensorModel
    /// Examples to try the model with; made up by its ports when there are none.
    private let examples: @Sendable () -> [[String: Tensor]]
    private let queue = BlockingQueue(label: "millrace.inference.model")
    private struct State {
        var batching: TensorBatching?
        var lanes: LanePool?
        var remarks: [String] = []
        /// Seconds that a lone call took in one lane: models that take long are given the whole device when nothing else runs.
        var loneCallSeconds = 0.0
    }
    private let state = Mutex(State())
    private static let longCallSeconds = 0.05

    /// Nanoseconds since 1970, to see how long calls take.
    private let clock: @Sendable () -> Int64

    /// - Parameter examples: At least two items as they may come, to see whether they move each other; none where the ports tell enough.
    public init(
        _ model: any TensorModel, examples: @escaping @Sendable () -> [[String: Tensor]] = { [] },
        clock: @escaping @Sendable () -> Int64 = Surroundings.wallNanoseconds
    ) {
        self.model = model
        self.examples = examples
        self.clock = clock
    }

    public var signature: ModelSignature? { model.signature }
    public var remarks: [String] { state.withLock { $0.remarks } }

    /// Loads the model and runs it once where its ports say how large an example is.
    /// - Throws: `model_unavailable` when the model cannot be used.
    public func load() async throws {
        let (model, examples) = (model, examples)
        let (batching, remarks) = try await queue.run {
            try model.load()
            guard let signature = model.signature else { throw MillraceError(.modelUnavailable, "the model has no ports") }
            var batching = try TensorBatching(signature: signature)
            try batching.blank().map { try $0.withViews { try model.call($0, share: .lane) { _ in } } }
            let remark = model.quantizesAtRunTime ? Self.suspicion(of: model, batching, examples()) : nil
            batching.sharesCalls = remark == nil
            return (batching, remark.map { [$0] } ?? [])
        }
        state.withLock { state in
            state.batching = batching
            state.lanes = LanePool(label: "millrace.inference.lanes", lanes: model.lanes)
            state.remarks = remarks
        }
    }

    /// Why items must not share calls; `nil`: they may.
    private static func suspicion(of model: any TensorModel, _ batching: TensorBatching, _ examples: [[String: Tensor]]) -> String? {
        do {
            let drift = try batching.drift(of: model, examples: examples)
            return drift.flatMap { $0.isTolerable ? nil : $0.remark("the model") }
        } catch {
            return "the model quantises at run time, and takes no made-up example that would show whether items move each other: each item is given a call of its own"
        }
    }

    public func measureDrift() async throws -> BatchDrift? {
        guard let batching = state.withLock({ $0.batching }) else { throw MillraceError(.modelUnavailable, "the model is not loaded") }
        let (model, examples) = (model, examples)
        return try await queue.run { try batching.drift(of: model, examples: examples()) }
    }

    /// - Throws: ``BatchFailure/outOfMemory(_:)`` or ``BatchFailure/unattributed(_:)`` (`model_error`);
    ///   `model_unavailable` before ``load()`` or after ``close()``.
    public func run(_ batch: [InferenceItem], observer: any ItemObserver) async throws -> [ItemOutcome] {
        let (batching, lanes, loneCallSeconds) = state.withLock { ($0.batching, $0.lanes, $0.loneCallSeconds) }
        guard let batching, let lanes else { throw MillraceError(.modelUnavailable, "the model is not loaded") }
        observer.began(batch.map(\.id))
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
        let share: DeviceShare = calls.count == 1 && loneCallSeconds > Self.longCallSeconds && lanes.isIdle && !observer.expectsMore ? .whole : .lane
        for (positions, results) in zip(calls, try await run(calls, of: batch, batching, share, lanes, observer)) {
            for (position, result) in zip(positions, results) { outcomes[position] = .tensors(result) }
        }
        return outcomes
    }

    private func run(
        _ calls: [[Int]], of batch: [InferenceItem], _ batching: TensorBatching, _ share: DeviceShare, _ lanes: LanePool, _ observer: any ItemObserver
    ) async throws -> [[[String: Tensor]]] {
        let (model, clock) = (model, clock)
        let results = try await lanes.map(calls.count) {
            if case .lane = share { observer.hasRoom() }
        } _: { number in
            let items = calls[number].compactMap { position -> [String: Tensor]? in
                if case .tensors(let tensors) = batch[position].payload { tensors } else { nil }
            }
            let begun = clock()
            return (outputs: try Self.call(model, items, batching, share), nanoseconds: clock() - begun)
        }
        if results.count == 1, case .lane = share { state.withLock { $0.loneCallSeconds = Double(results[0].nanoseconds) / 1e9 } }
        return results.map(\.outputs)
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
        state.withLock { ($0.batching, $0.lanes) = (nil, nil) }
        model.close()
    }
}
