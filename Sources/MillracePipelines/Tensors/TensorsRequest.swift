import Foundation
import MillraceCore
import MillraceInference

/// What a client asked of a ``TensorsPipeline``, as examples, and the form in which it wants its answer.
struct TensorsRequest: Sendable {
    enum Form: Sendable, Equatable {
        case one, many
        case openInference(OpenInferenceRequest.Answer)
    }

    static let hint = "the job's input is {\"NAME\": [...]} with the names of the model's inputs, as in {\"input\": {\"image\": [...]}}"

    var form: Form
    /// Each without a batch axis, by input name.
    var examples: [[String: Tensor]]

    /// - Parameter tail: The bytes behind the JSON.
    /// - Throws: `invalid_input`, or `too_large` for more examples than rows are allowed.
    init(_ input: JSONValue, tail: Data = Data(), elements: [String: Tensor.Element], limits: EndpointLimits) throws(JobFailure) {
        switch input["inputs"] {
        case .object(let members)?:
            form = .one
            examples = [try Self.example(members, elements)]
        case .array(let entries)?:
            guard let first = entries.first else { throw Self.invalid("\"inputs\" is empty") }
            if first["datatype"] != nil {
                let request = try OpenInferenceRequest(input, entries, tail: tail, limits: limits)
                (form, examples) = (.openInference(request.answer), request.examples)
            } else {
                form = .many
                examples = []
                for (index, entry) in entries.enumerated() {
                    guard let members = entry.objectValue else { throw Self.invalid("inputs[\(index)] is not an object") }
                    examples.append(try Self.example(members, elements))
                }
            }
        case .some(let other): throw Self.invalid("\"inputs\" is of type \(other.typeName)")
        case nil:
            // `{"image": [...]}` alone is one example as well.
            guard let members = input.objectValue else { throw Self.invalid("the input has no \"inputs\"") }
            form = .one
            examples = [try Self.example(members, elements)]
        }
        if case .openInference = form { return }
        guard tail.isEmpty else { throw Self.invalid("there are \(tail.count) bytes behind the JSON, which names no \"datatype\"") }
        guard examples.count <= limits.rowsMax else { throw Self.tooMany(examples.count, limits) }
    }

    private static func example(
        _ members: [String: JSONValue], _ elements: [String: Tensor.Element]
    ) throws(JobFailure) -> [String: Tensor] {
        guard !members.isEmpty else { throw invalid("an example names no input") }
        var example: [String: Tensor] = [:]
        for (name, value) in members {
            example[name] = try NestedArray(value, of: name).tensor(elements[name] ?? .float32, of: name)
        }
        return example
    }

    static func tooMany(_ count: Int, _ limits: EndpointLimits) -> JobFailure {
        JobFailure(.tooLarge, "there are \(count) examples, more than the \(limits.rowsMax) allowed")
    }

    static func invalid(_ message: String) -> JobFailure {
        JobFailure(.invalidInput, message, hint: hint)
    }
}

extension Tensor.Element {
    /// The Open Inference Protocol's name.
    var openInference: String {
        switch self {
        case .bool: "BOOL"
        case .uint8: "UINT8"
        case .uint16: "UINT16"
        case .uint32: "UINT32"
        case .uint64: "UINT64"
        case .int8: "INT8"
        case .int16: "INT16"
        case .int32: "INT32"
        case .int64: "INT64"
        case .float16: "FP16"
        case .float32: "FP32"
        case .float64: "FP64"
        }
    }

    static let openInferenceNames = allCases.map(\.openInference).joined(separator: ", ")

    init?(openInference code: String) {
        guard let element = Tensor.Element.allCases.first(where: { $0.openInference == code }) else { return nil }
        self = element
    }
}
