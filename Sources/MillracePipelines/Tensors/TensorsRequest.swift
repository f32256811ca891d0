import MillraceCore
import MillraceInference

/// What a client asked of a ``TensorsPipeline``, as examples, and the form in which it wants its answer.
struct TensorsRequest: Sendable {
    enum Form: Sendable, Equatable {
        case one, many
        case openInference(id: String?)
    }

    static let hint = "the job's input is {\"NAME\": [...]} with the names of the model's inputs, as in {\"input\": {\"image\": [...]}}"

    var form: Form
    /// Each without a batch axis, by input name.
    var examples: [[String: Tensor]]

    /// - Throws: `invalid_input`, or `too_large` for more examples than rows are allowed.
    init(_ input: JSONValue, elements: [String: Tensor.Element], limits: EndpointLimits) throws(JobFailure) {
        switch input["inputs"] {
        case .object(let members)?:
            form = .one
            examples = [try Self.example(members, elements)]
        case .array(let entries)?:
            guard let first = entries.first else { throw Self.invalid("\"inputs\" is empty") }
            if first["datatype"] != nil {
                form = .openInference(id: input["id"]?.stringValue)
                examples = try Self.openInference(entries)
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
        guard examples.count <= limits.rowsMax else {
            throw JobFailure(.tooLarge, "there are \(examples.count) examples, more than the \(limits.rowsMax) allowed")
        }
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

    private static func openInference(_ entries: [JSONValue]) throws(JobFailure) -> [[String: Tensor]] {
        var batch: Int?
        var examples: [[String: Tensor]] = []
        for entry in entries {
            guard let name = entry["name"]?.stringValue else { throw invalid("an input has no \"name\"") }
            guard let code = entry["datatype"]?.stringValue, let element = Tensor.Element(openInference: code) else {
                throw invalid("input \"\(name)\" must have the \"datatype\" FP32, INT64, INT32 or UINT8")
            }
            guard let shape = entry["shape"]?.arrayValue?.map(\.integerValue), !shape.isEmpty, !shape.contains(nil) else {
                throw invalid("input \"\(name)\" needs a \"shape\" of whole numbers, the batch first")
            }
            let axes = shape.compactMap { $0 }
            let values = try NestedArray(entry["data"] ?? .array([]), of: name)
            guard axes.allSatisfy({ $0 > 0 }), values.values.count == Self.product(axes) else {
                throw invalid("input \"\(name)\" has \(values.values.count) values, which its shape \(axes) does not hold")
            }
            guard axes[0] == batch ?? axes[0] else { throw invalid("the inputs' first axes differ") }
            batch = axes[0]
            if examples.isEmpty { examples = Array(repeating: [:], count: axes[0]) }
            let count = values.values.count / axes[0]
            for index in examples.indices {
                let part = NestedArray(
                    values: Array(values.values[index * count..<(index + 1) * count]), shape: Array(axes.dropFirst()))
                examples[index][name] = try part.tensor(element, of: name)
            }
        }
        return examples
    }

    /// The product, or `nil` when it does not fit: an absurd shape holds nothing.
    private static func product(_ axes: [Int]) -> Int? {
        var product = 1
        for axis in axes {
            let (next, overflow) = product.multipliedReportingOverflow(by: axis)
            if overflow { return nil }
            product = next
        }
        return product
    }

    private static func invalid(_ message: String) -> JobFailure {
        JobFailure(.invalidInput, message, hint: hint)
    }
}

extension Tensor.Element {
    /// The Open Inference Protocol's name.
    var openInference: String {
        switch self {
        case .float32: "FP32"
        case .int64: "INT64"
        case .int32: "INT32"
        case .uint8: "UINT8"
        }
    }

    init?(openInference code: String) {
        let known: [Tensor.Element] = [.float32, .int64, .int32, .uint8]
        guard let element = known.first(where: { $0.openInference == code }) else { return nil }
        self = element
    }
}
