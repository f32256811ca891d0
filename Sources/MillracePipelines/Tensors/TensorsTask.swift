import MillraceCore
import MillraceInference
import Synchronization

final class TensorsTask: PipelineTask {
    private struct State {
        var next = 0
        var results: [[String: Tensor]?]
    }

    private let request: TensorsRequest
    private let state: Mutex<State>

    let unit = "examples"
    var itemsTotal: Int? { request.examples.count }

    init(request: TensorsRequest) {
        self.request = request
        state = Mutex(State(results: Array(repeating: nil, count: request.examples.count)))
    }

    func next() async throws -> InferenceItem.Payload? {
        let index = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        return index < request.examples.count ? .tensors(request.examples[index]) : nil
    }

    func accept(_ outcome: ItemOutcome, ofItem index: Int) async throws {
        switch outcome {
        case .tensors(let outputs): state.withLock { $0.results[index] = outputs }
        case .failed(let failure): throw request.examples.count == 1 ? failure : failure.about("example \(index + 1)")
        case .cancelled: throw CancellationError()
        case .reply: preconditionFailure("a model on tensors answers with tensors")
        }
    }

    func finish() async throws -> [PipelineOutput] {
        let results = state.withLock { $0.results }.compactMap { $0 }
        precondition(results.count == request.examples.count, "finish() comes after every item was accepted")
        return [try .json(try answer(results))]
    }

    private func answer(_ results: [[String: Tensor]]) throws(JobFailure) -> JSONValue {
        let nested = results.map { outputs in
            JSONValue.object(outputs.mapValues { NestedArray.nested(NestedArray.flat($0), $0.shape) })
        }
        switch request.form {
        case .one: return ["outputs": nested[0]]
        case .many: return ["outputs": .array(nested)]
        case .openInference(let id):
            var outputs: [JSONValue] = []
            for name in results[0].keys.sorted() { outputs.append(try stacked(results, name)) }
            var answer: [String: JSONValue] = ["outputs": .array(outputs)]
            if let id { answer["id"] = .string(id) }
            return .object(answer)
        }
    }

    private func stacked(_ results: [[String: Tensor]], _ name: String) throws(JobFailure) -> JSONValue {
        let tensors = results.compactMap { $0[name] }
        guard tensors.count == results.count, Set(tensors.map(\.shape)).count == 1 else {
            throw JobFailure(.modelError, "the model's output \"\(name)\" has another shape for each example")
        }
        let shape = [tensors.count] + tensors[0].shape
        return [
            "name": .string(name), "datatype": .string(tensors[0].element.openInference),
            "shape": .array(shape.map { .integer(Int64($0)) }), "data": .array(tensors.flatMap(NestedArray.flat)),
        ]
    }
}
