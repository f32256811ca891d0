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
        if case .openInference(let answer) = request.form { return [try answer.output(results)] }
        let nested = results.map { outputs in
            JSONValue.object(outputs.mapValues { NestedArray.nested(NestedArray.flat($0), $0.shape) })
        }
        return [try .json(["outputs": request.form == .one ? nested[0] : .array(nested)])]
    }
}
