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
            ["inputs": [["name": "image", "datatype": "FP64", "shape": [1], "data": [1]]]],
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
    }
}
