import Foundation
import MillraceCore
import MillraceInference
import MillracePipelines
import Testing

struct TensorsTests {
    private static func image(_ value: Double) -> JSONValue {
        .array([.array(Array(repeating: .array(Array(repeating: .number(value), count: 28)), count: 28))])
    }

    @Test func `one, many and Open Inference give the same numbers`() async throws {
        let model = try await LoadedModel.fashion()
        let work = try Workplace()
        let flat = (Array(repeating: JSONValue.number(0.25), count: 784) + Array(repeating: JSONValue.number(0.5), count: 784))
        let outputs = try await model.run([
            work.job(input: ["inputs": ["image": Self.image(0.25)]]),
            work.job(input: ["inputs": [["image": Self.image(0.25)], ["image": Self.image(0.5)]]]),
            work.job(input: ["id": "x", "inputs": [["name": "image", "shape": [2, 1, 28, 28], "datatype": "FP32", "data": .array(flat)]]]),
        ], batch: 4)
        let one = try #require(try outputs[0][0].json()["outputs"]?["logits"]?.arrayValue)
        let many = try #require(try outputs[1][0].json()["outputs"]?.arrayValue)
        let open = try outputs[2][0].json()
        #expect(one.count == 10 && many.count == 2)
        #expect(many[0]["logits"]?.arrayValue == one)
        let output = try #require(open["outputs"]?.arrayValue?.first)
        #expect(open["id"] == "x" && output["shape"] == [2, 10] && output["datatype"] == "FP32" && output["name"] == "logits")
        #expect(output["data"]?.arrayValue == one + (many[1]["logits"]?.arrayValue ?? []))
    }

    @Test func `inputs that are no tensors are refused`() async throws {
        let model = try await LoadedModel.fashion()
        let work = try Workplace()
        let inputs: [JSONValue?] = [
            nil, [:], ["inputs": nil], ["inputs": []], ["inputs": [:]], ["inputs": [1]], ["inputs": ["image": []]],
            ["inputs": ["image": "x"]], ["inputs": ["image": [[1, 2], [3]]]], ["inputs": ["image": [1, [2]]]], ["inputs": ["image": [[1], 2]]],
            ["inputs": [["name": "image", "datatype": "FP32", "shape": [-1, 2], "data": [1]]]],
            ["inputs": [["name": "image", "datatype": "FP32", "shape": [4_611_686_018_427_387_904, 4], "data": []]]],
            ["inputs": [["name": "image", "datatype": "BYTES", "shape": [1], "data": ["x"]]]],
            ["inputs": [["name": "image", "datatype": "UINT8", "shape": [1], "data": [256]]]],
            ["inputs": [["name": "a", "datatype": "FP32", "shape": [1], "data": [1]], ["name": "b", "datatype": "FP32", "shape": [2], "data": [1, 2]]]],
            ["inputs": ["image": (0..<30).reduce(JSONValue.integer(1)) { value, _ in .array([value]) }]],
        ]
        for input in inputs {
            let code = await code { try await model.pipeline.open(work.job(input: input)) }
            #expect(code == "invalid_input" || code == "missing_input", "\(String(describing: input))")
        }
        #expect(await code { try await model.run([work.job(input: ["inputs": ["image": [1, 2]]])], batch: 1) } == "invalid_input")
        #expect(await code { try await model.run([work.job(input: ["inputs": ["imag": Self.image(0)]])], batch: 1) } == "invalid_input")
        let doubles: JSONValue = ["inputs": [["name": "image", "datatype": "FP64", "shape": [1, 1, 28, 28], "data": Self.image(0)]]]
        #expect(await code { try await model.run([work.job(input: doubles)], batch: 1) } == "invalid_input")
    }

    /// Two examples for the model of Examples/onnx-model, with values that JSON has to write out.
    private static let values = (0..<2 * 784).map { Float(($0 * 7919) % 1013) / 1013 }

    private static func body(_ header: String, _ tail: [UInt8]) -> [UInt8] { Array(header.utf8) + tail }

    private static func bytes(_ values: [some BitwiseCopyable]) -> [UInt8] { values.withUnsafeBytes(Array.init) }

    private static let image = #""name": "image", "shape": [2, 1, 28, 28], "datatype": "FP32""#

    /// What stands in a `result.bin`: the JSON, and the bytes behind it.
    private static func parts(_ output: PipelineOutput) throws -> (json: JSONValue, tail: [UInt8]) {
        let prefix = "application/octet-stream; inference-header-content-length="
        #expect(output.name == "result.bin" && output.mediaType.hasPrefix(prefix))
        let (data, length) = (try output.data(), try #require(Int(output.mediaType.dropFirst(prefix.count))))
        return (try MillraceJSON.decode(from: Data(data.prefix(length))), Array(data.dropFirst(length)))
    }

    @Test func `tensors in JSON and as bytes give the same numbers to the last bit`() async throws {
        let model = try await LoadedModel.fashion()
        let work = try Workplace()
        let numbers = "[" + Self.values.map(\.description).joined(separator: ",") + "]"
        let size = #""parameters": {"binary_data_size": 6272}"#
        let files = [
            try work.file("a", Self.body(#"{"inputs": [{\#(Self.image), "data": \#(numbers)}]}"#, []), mediaType: "application/json"),
            try work.file(
                "b", Self.body(#"{"id": "7", "parameters": {"binary_data_output": true}, "inputs": [{\#(Self.image), \#(size)}]}"#, Self.bytes(Self.values)),
                mediaType: "application/octet-stream"),
            try work.file(
                "c", Self.body(#"{"outputs": [{"name": "logits", "parameters": {"binary_data": true}}], "inputs": [{\#(Self.image), "data": \#(numbers)}]}  "#, []),
                mediaType: "application/json"),
        ]
        let outputs = try await model.run(try files.map { try work.job(files: [$0]) }, batch: 8).map { $0[0] }
        let plain = try #require(try outputs[0].json()["outputs"]?.arrayValue?[0]["data"]?.arrayValue?.compactMap(\.doubleValue).map(Float.init))
        #expect(plain.count == 20)
        for output in outputs[1...] {
            let (json, tail) = try Self.parts(output)
            #expect(tail == Self.bytes(plain))
            #expect(json["outputs"]?.arrayValue?[0] == ["name": "logits", "datatype": "FP32", "shape": [2, 10], "parameters": ["binary_data_size": 80]])
        }
        #expect(try Self.parts(outputs[1]).json["id"] == "7")
    }

    @Test func `inputs and outputs of other types may be mixed, some in JSON and some as bytes`() async throws {
        let manifest = ModelManifest(name: "kinds", runner: .onnx, pipeline: "tensors", files: ["model": "kinds.onnx"])
        let model = try await LoadedModel(manifest, directory: repository.path + "/Tests/MillraceRunnerONNXTests/Fixtures")
        let work = try Workplace()
        // The JSON is followed by a space that its length covers, and bytes that look like more of it.
        let json = #"{"inputs": [{"name": "a", "shape": [2, 2], "datatype": "INT32", "data": [1, -2, 3, -4]}, "#
            + #"{"name": "b", "shape": [2, 2], "datatype": "UINT8", "parameters": {"binary_data_size": 4}}], "#
            + #""outputs": [{"name": "d"}, {"name": "c", "parameters": {"binary_data": true}}]} "#
        let file = try work.file(
            "x", Self.body(json, Array(" }\"{".utf8)), mediaType: "application/octet-stream; inference-header-content-length=\(json.utf8.count)")
        let (answer, tail) = try Self.parts(try await model.run([try work.job(files: [file])], batch: 2)[0][0])
        #expect(tail == Self.bytes([Int32(1), -2, 3, -4]))
        #expect(answer["outputs"]?.arrayValue?.compactMap { $0["name"]?.stringValue } == ["d", "c"])
        #expect(answer["outputs"]?.arrayValue?[0]["data"] == [32, 125, 34, 123])
        let unknown = try work.file("y", Self.body(json.replacingOccurrences(of: "\"d\"", with: "\"z\""), [1, 2, 3, 4]), mediaType: "application/octet-stream")
        #expect(await code { try await model.run([try work.job(files: [unknown])], batch: 2) } == "invalid_input")
    }

    @Test func `bytes that do not fit what the JSON says are refused before memory is taken for them`() async throws {
        let model = try await LoadedModel.fashion()
        let work = try Workplace()
        let whole = Self.bytes(Self.values)
        func open(_ json: String, _ tail: [UInt8], declared: Int? = nil, limits: EndpointLimits = .init()) async throws -> String? {
            let type = "application/octet-stream" + (declared.map { "; inference-header-content-length=\($0)" } ?? "")
            let file = try work.file("x", Self.body(json, tail), mediaType: type)
            return await code { try await model.pipeline.open(work.job(files: [file], limits: limits)) }
        }
        func input(_ size: String, shape: String = "[2, 1, 28, 28]", type: String = "FP32", more: String = "") -> String {
            #"{"inputs": [{"name": "image", "shape": \#(shape), "datatype": "\#(type)", "parameters": {"binary_data_size": \#(size)}\#(more)}]}"#
        }
        #expect(try await open(input("6272"), whole) == nil)
        #expect(try await open(input("6272"), whole, declared: input("6272").utf8.count) == nil)
        #expect(try await open(input("6272"), whole.dropLast()) == "invalid_input")
        #expect(try await open(input("6272"), whole + [0]) == "invalid_input")
        #expect(try await open(input("6272"), whole, declared: 10) == "invalid_input")
        #expect(try await open(input("6272"), whole, declared: 1_000_000) == "invalid_input")
        for size in ["6271", "-1", "\"6272\"", "1e30", "null", "[]"] { #expect(try await open(input(size), whole) == "invalid_input", "\(size)") }
        for shape in [
            "[]", "[0, 784]", "[-2, 784]", "[2, 9223372036854775807]", "[4611686018427387904, 4]", "[1152921504606846976, 4, 4]", "[1.5]", "\"2\"",
        ] {
            #expect(try await open(input("6272", shape: shape), whole) == "invalid_input", "\(shape)")
        }
        for type in ["FP64", "FP16", "BYTES", "BOOL", "fp32"] { #expect(try await open(input("6272", type: type), whole) == "invalid_input", "\(type)") }
        #expect(try await open(input("6272", more: #", "data": [1]"#), whole) == "invalid_input")
        #expect(try await open(#"{"inputs": {"image": [1]}}"#, [1]) == "invalid_input")
        #expect(try await open(#"{"inputs": [{\#(Self.image), "data": [1]"#, [1]) == "invalid_input")
        for part in [#""outputs": []"#, #""outputs": [{}]"#, #""outputs": [{"name": "a"}, {"name": "a"}]"#, #""parameters": {"binary_data_output": 1}"#] {
            #expect(try await open("{\(part), " + input("6272").dropFirst(), whole) == "invalid_input", "\(part)")
        }
        var few = EndpointLimits()
        few.rowsMax = 6271
        #expect(try await open(input("6272", shape: "[6272]", type: "UINT8"), whole, limits: few) == "too_large")
    }
}
