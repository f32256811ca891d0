import Foundation
import MillraceCore
import MillraceInference
import MillraceVision
import Synchronization

final class ImageClassificationTask: PipelineTask {
    private struct State {
        var next = 0
        /// The result for each file, `nil` until it is there.
        var results: [JSONValue?]
    }

    private let pipeline: ImageClassificationPipeline
    private let files: [HandlerRequest.File]
    private let decoder: ImageDecoder
    private let topK: Int
    private let state: Mutex<State>

    let unit = "images"
    var itemsTotal: Int? { files.count }

    init(pipeline: ImageClassificationPipeline, job: PipelineJob, topK: Int) {
        self.pipeline = pipeline
        self.topK = topK
        files = job.request.files
        decoder = ImageDecoder(pixelsMax: job.limits.pixelsMax)
        state = Mutex(State(results: Array(repeating: nil, count: job.request.files.count)))
    }

    func next() async throws -> InferenceItem.Payload? {
        let index = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        guard index < files.count else { return nil }
        let (pipeline, decoder, file) = (pipeline, decoder, files[index])
        do {
            let tensor = try await pipeline.decoding.run { try pipeline.tensor(of: file.path, decoder: decoder) }
            return .tensors([pipeline.input: tensor])
        } catch let failure as JobFailure {
            throw failure.about(file)
        }
    }

    func accept(_ outcome: ItemOutcome, ofItem index: Int) async throws {
        let file = files[index]
        switch outcome {
        case .tensors(let outputs):
            let scores = try ClassScores(
                of: outputs, output: pipeline.output, classCount: pipeline.labels.count, activation: pipeline.activation)
            let result: JSONValue = ["file": .string(file.displayName), "classes": .array(classes(scores))]
            state.withLock { $0.results[index] = result }
        case .failed(let failure): throw failure.about(file)
        case .cancelled: throw CancellationError()
        case .reply: preconditionFailure("a model on tensors answers with tensors")
        }
    }

    func finish() async throws -> [PipelineOutput] {
        let results = state.withLock { $0.results }
        precondition(!results.contains(nil), "finish() comes after every item was accepted")
        return [try .json(["images": .array(results.compactMap { $0 })])]
    }

    private func classes(_ scores: ClassScores) -> [JSONValue] {
        scores.top(topK).map { index in
            [
                "index": .integer(Int64(index)), "label": .string(pipeline.labels[index]),
                "probability": .number(ClassScores.rounded(scores.probabilities[index])),
            ]
        }
    }
}

extension ImageClassificationPipeline {
    /// The model's input for the photo at `path`: `float32 [3, size, size]` or `[size, size, 3]`.
    func tensor(of path: String, decoder: ImageDecoder) throws(JobFailure) -> Tensor {
        let image = try decoder.decode(path: path)
        let box =
            if let resize {
                CropBox.center(ofWidth: image.width, height: image.height, shorterSide: resize, size: size)
            } else {
                CropBox.center(ofWidth: image.width, height: image.height, fraction: cropFraction)
            }
        let square = image.resampled(box, width: size, height: size, filter: filter)
        return switch layout {
        case .nchw: Tensor(square.planes(normalization, order: order), shape: [3, size, size])
        case .nhwc: Tensor(square.interleaved(normalization, order: order), shape: [size, size, 3])
        }
    }
}
