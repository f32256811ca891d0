import Foundation
import MillraceCore
import MillraceInference

/// A request of the Open Inference Protocol, version 2, with tensors in the JSON or in the bytes behind it.
struct OpenInferenceRequest {
    /// What is to come back, and how.
    struct Answer: Sendable, Equatable {
        struct Output: Sendable, Equatable {
            var name: String
            var isBinary: Bool
        }
        var id: String?
        /// In this order; `nil`: all that there are.
        var outputs: [Output]?
        /// Of outputs that do not say it themselves.
        var isBinary = false
    }

    var answer: Answer
    /// Each without the batch axis, by input name.
    private(set) var examples: [[String: Tensor]] = []
    private var tail: Data

    /// - Throws: `invalid_input`, or `too_large` for more examples than rows are allowed.
    init(_ request: JSONValue, _ entries: [JSONValue], tail: Data, limits: EndpointLimits) throws(JobFailure) {
        answer = try Self.answer(request)
        self.tail = tail
        for entry in entries {
            guard let name = entry["name"]?.stringValue else { throw TensorsRequest.invalid("an input has no \"name\"") }
            let tensor = try tensor(entry, named: name, limits)
            let count = tensor.shape[0]
            if examples.isEmpty { examples = Array(repeating: [:], count: count) }
            guard count == examples.count else { throw TensorsRequest.invalid("the inputs' first axes differ") }
            let (shape, bytesEach) = (Array(tensor.shape.dropFirst()), tensor.bytes.count / count)
            for index in examples.indices {
                examples[index][name] = Tensor(
                    element: tensor.element, shape: shape, bytes: Array(tensor.bytes[index * bytesEach..<(index + 1) * bytesEach]))
            }
        }
        guard self.tail.isEmpty else {
            throw TensorsRequest.invalid("\(self.tail.count) bytes behind the JSON belong to no input")
        }
    }

    /// An input with the batch axis first. Nothing is allocated for what its shape promises before the values are seen to be there.
    private mutating func tensor(_ entry: JSONValue, named name: String, _ limits: EndpointLimits) throws(JobFailure) -> Tensor {
        guard let code = entry["datatype"]?.stringValue, let element = Tensor.Element(openInference: code) else {
            throw TensorsRequest.invalid("input \"\(name)\" must have a \"datatype\" of \(Tensor.Element.openInferenceNames)")
        }
        guard let lengths = entry["shape"]?.arrayValue?.map(\.integerValue), !lengths.isEmpty, !lengths.contains(nil) else {
            throw TensorsRequest.invalid("input \"\(name)\" needs a \"shape\" of whole numbers, the batch first")
        }
        let axes = lengths.compactMap { $0 }
        guard axes.allSatisfy({ $0 > 0 }), let bytesTotal = Self.product([element.byteCount] + axes) else {
            throw TensorsRequest.invalid("input \"\(name)\" has a shape that nothing fits, \(axes)")
        }
        guard axes[0] <= limits.rowsMax else { throw TensorsRequest.tooMany(axes[0], limits) }
        if let size = entry["parameters"]?["binary_data_size"] {
            guard entry["data"] == nil else { throw TensorsRequest.invalid("input \"\(name)\" has \"data\" and \"binary_data_size\"") }
            guard size.integerValue == bytesTotal else {
                throw TensorsRequest.invalid("input \"\(name)\" of shape \(axes) and datatype \(code) has \(bytesTotal) bytes, which its \"binary_data_size\" does not say")
            }
            guard bytesTotal <= tail.count else {
                throw TensorsRequest.invalid("input \"\(name)\" has \(bytesTotal) bytes, but only \(tail.count) are left behind the JSON")
            }
            defer { tail = tail.dropFirst(bytesTotal) }
            return Tensor(element: element, shape: axes, bytes: Array(tail.prefix(bytesTotal)))
        }
        var values = try NestedArray(entry["data"] ?? .array([]), of: name)
        guard values.values.count == bytesTotal / element.byteCount else {
            throw TensorsRequest.invalid("input \"\(name)\" has \(values.values.count) values, which its shape \(axes) does not hold")
        }
        values.shape = axes
        return try values.tensor(element, of: name)
    }

    /// The product, or `nil` when it does not fit: an absurd shape holds nothing.
    private static func product(_ factors: [Int]) -> Int? {
        factors.reduce(1 as Int?) { product, factor in
            guard let (next, overflow) = product?.multipliedReportingOverflow(by: factor), !overflow else { return nil }
            return next
        }
    }

    private static func answer(_ request: JSONValue) throws(JobFailure) -> Answer {
        var answer = Answer(id: request["id"]?.stringValue)
        answer.isBinary = try flag(request["parameters"], "binary_data_output") ?? false
        guard let outputs = request["outputs"] else { return answer }
        guard let entries = outputs.arrayValue, !entries.isEmpty else { throw TensorsRequest.invalid("\"outputs\" must be a list of the outputs wanted") }
        var wanted: [Answer.Output] = []
        for entry in entries {
            guard let name = entry["name"]?.stringValue, !wanted.contains(where: { $0.name == name }) else {
                throw TensorsRequest.invalid("each of \"outputs\" needs a \"name\" of its own")
            }
            wanted.append(.init(name: name, isBinary: try flag(entry["parameters"], "binary_data") ?? answer.isBinary))
        }
        answer.outputs = wanted
        return answer
    }

    private static func flag(_ parameters: JSONValue?, _ name: String) throws(JobFailure) -> Bool? {
        guard let value = parameters?[name] else { return nil }
        guard let flag = value.boolValue else { throw TensorsRequest.invalid("the parameter \"\(name)\" must be true or false") }
        return flag
    }
}

extension OpenInferenceRequest.Answer {
    /// `result.json`, or `result.bin` where an output is to come as bytes.
    func output(_ results: [[String: Tensor]]) throws -> PipelineOutput {
        let there = results[0].keys.sorted()
        var (entries, tail, hasBytes): ([JSONValue], [UInt8], Bool) = ([], [], false)
        for output in outputs ?? there.map({ Output(name: $0, isBinary: isBinary) }) {
            guard there.contains(output.name) else {
                throw JobFailure(
                    .invalidInput, "the model has no output \"\(output.name)\"", hint: "it gives " + there.joined(separator: ", "))
            }
            let tensor = try Self.stacked(results, output.name)
            var entry: [String: JSONValue] = [
                "name": .string(output.name), "datatype": .string(tensor.element.openInference),
                "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
            ]
            if output.isBinary {
                entry["parameters"] = ["binary_data_size": .integer(Int64(tensor.bytes.count))]
                tail += tensor.bytes
                hasBytes = true
            } else {
                entry["data"] = .array(NestedArray.flat(tensor))
            }
            entries.append(.object(entry))
        }
        var header: [String: JSONValue] = ["outputs": .array(entries)]
        if let id { header["id"] = .string(id) }
        return hasBytes ? try .binary(.object(header), tail) : try .json(.object(header))
    }

    private static func stacked(_ results: [[String: Tensor]], _ name: String) throws(JobFailure) -> Tensor {
        let tensors = results.compactMap { $0[name] }
        guard tensors.count == results.count, Set(tensors.map(\.shape)).count == 1, Set(tensors.map(\.element)).count == 1 else {
            throw JobFailure(.modelError, "the model's output \"\(name)\" has another shape for each example")
        }
        return Tensor(element: tensors[0].element, shape: [tensors.count] + tensors[0].shape, bytes: tensors.flatMap(\.bytes))
    }
}
