import Foundation
import MillraceCore
import MillraceInference

/// Numbers in, numbers out, for any model. The input is JSON, in the request or as a file, in one of three forms:
///
/// - `{"inputs": {"image": [[...]]}}`: one example, nested arrays without a batch axis. Output:
///   `{"outputs": {"logits": [...]}}`.
/// - `{"inputs": [{"image": [[...]]}, ...]}`: several examples. Output: `{"outputs": [{"logits": [...]}, ...]}`.
/// - `{"inputs": [{"name": "image", "shape": [2, 3], "datatype": "FP32", "data": [...]}]}`: the Open Inference Protocol,
///   where the first axis is the batch. `datatype` is any of the protocol but `BYTES`; `data` is flat or nested.
///   Output: `{"outputs": [{"name", "shape", "datatype", "data"}]}`, with `id` when there was one; of the outputs that `outputs`
///   names, else of all.
///
/// In a file of the third form, tensors may follow the JSON as bytes (the protocol's binary extension), little-endian, one behind the
/// other, each with `"parameters": {"binary_data_size": N}` in place of `data`. The JSON ends where its outermost bracket is closed, or
/// after as many bytes as the file's media type says in `inference-header-content-length`. With the request's parameter
/// `binary_data_output`, or `binary_data` of one of `outputs`, outputs come so too, in `result.bin`, whose media type has the length
/// of its JSON.
///
/// Option `elements` names the element type of inputs in the first two forms, such as `{input_ids: int64}`; others are
/// `float32`. Shapes are checked against the model's own. A value that is not a number comes out as `null`.
/// Output file: `result.json`, or `result.bin`. An item's cost: the values of all its inputs.
public struct TensorsPipeline: ModelPipeline {
    let elements: [String: Tensor.Element]
    private let reading = BlockingQueue(label: "millrace.tensors", concurrent: true)

    /// - Throws: `invalid_manifest`.
    public init(model: ModelFiles) throws {
        var options = OptionReader(model.manifest)
        var elements: [String: Tensor.Element] = [:]
        for (name, value) in options.object("elements").sorted(by: { $0.key < $1.key }) {
            if let element = value.stringValue.flatMap(Tensor.Element.init(rawValue:)) {
                elements[name] = element
            } else {
                options.report("options.elements.\(name) must be one of \(Tensor.Element.allCases.map(\.rawValue).joined(separator: ", "))")
            }
        }
        try options.finish()
        self.elements = elements
    }

    public func cost(of payload: InferenceItem.Payload) -> Int { payload.valueCount }

    public func open(_ job: PipelineJob) async throws -> any PipelineTask {
        guard job.request.files.count <= 1 else {
            throw JobFailure(.tooManyFiles, "the job has \(job.request.files.count) files; one is taken")
        }
        let (input, file, limits, elements) = (job.request.input, job.request.files.first, job.limits, elements)
        let request = try await reading.run {
            guard let file else {
                guard let input else {
                    throw JobFailure(.missingInput, "the job has no input", hint: TensorsRequest.hint)
                }
                return try TensorsRequest(input, elements: elements, limits: limits)
            }
            let body = try TensorsBody(file)
            return try TensorsRequest(body.json, tail: body.tail, elements: elements, limits: limits)
        }
        return TensorsTask(request: request)
    }
}
