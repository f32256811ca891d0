import MillraceCore
import MillraceInference
import Synchronization

/// A few texts, classified together, answered as JSON.
final class TextListTask: PipelineTask {
    private struct State {
        var next = 0
        var results: [JSONValue?]
    }

    private let pipeline: TextClassificationPipeline
    private let texts: [String]
    private let state: Mutex<State>

    let unit = "texts"
    var itemsTotal: Int? { texts.count }

    init(pipeline: TextClassificationPipeline, texts: [String]) {
        self.pipeline = pipeline
        self.texts = texts
        state = Mutex(State(results: Array(repeating: nil, count: texts.count)))
    }

    func next() async throws -> InferenceItem.Payload? {
        let index = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        return index < texts.count ? pipeline.payload(of: texts[index]) : nil
    }

    func accept(_ outcome: ItemOutcome, ofItem index: Int) async throws {
        let scores: ClassScores
        do {
            scores = try pipeline.scores(of: outcome)
        } catch let failure as JobFailure {
            throw texts.count == 1 ? failure : failure.about("text \(index + 1)")
        }
        let probabilities = scores.probabilities.map { JSONValue.number(ClassScores.rounded($0)) }
        let result: JSONValue = [
            "label": .string(pipeline.labels[scores.best]),
            "score": probabilities[scores.best],
            "logits": .array(scores.values.map { .number(ClassScores.rounded(Double($0))) }),
            "scores": .object(Dictionary(zip(pipeline.labels, probabilities), uniquingKeysWith: { first, _ in first })),
        ]
        state.withLock { $0.results[index] = result }
    }

    func finish() async throws -> [PipelineOutput] {
        let results = state.withLock { $0.results }
        precondition(!results.contains(nil), "finish() comes after every item was accepted")
        return [try .json(["results": .array(results.compactMap { $0 })])]
    }
}
