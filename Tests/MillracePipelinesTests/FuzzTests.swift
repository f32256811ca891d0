import Foundation
import MillraceCore
import MillraceInference
import MillraceTestSupport
import Testing

@testable import MillracePipelines

@Suite struct PipelineFuzzTests {
    @Test func `an input of tensors is refused with a known code, or holds as many values as its shapes say`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzTensors() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "tensors"))") }
    }

    @Test func `a choice of pages is refused, or in order and within bounds`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzPages() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "pages"))") }
    }
}

private func fuzzTensors() throws {
    let samples = [
        #"{"inputs":{"image":[[[0.25,1,-2e3]],[[1,2,3]]],"ids":[1,2,3]}}"#, #"{"inputs":[{"image":[1,2]},{"image":[3,4]}]}"#, #"{"image":[[1,2],[3,4]]}"#,
        #"{"id":"x","inputs":[{"name":"image","shape":[2,3],"datatype":"FP32","data":[1,2,3,4,5,6]},{"name":"ids","shape":[2,1],"datatype":"INT64","data":[[7],[8]]}]}"#,
        #"{"inputs":[{"name":"small","shape":[1,2],"datatype":"UINT8","data":[0,255]},{"name":"i","shape":[1],"datatype":"INT32","data":[-2147483648]}]}"#,
    ].map { Array($0.utf8) }
    let tokens = ["[", "]", "[[", "]]", ",", "null", "1e300", "-9223372036854775808", "9223372036854775807", "\"shape\":[4611686018427387904,4],", "\"datatype\":\"FP64\",", "0", "{}", "\"x\""]
    var limits = EndpointLimits()
    limits.rowsMax = 3
    let elements: [String: Tensor.Element] = ["ids": .int64, "small": .uint8, "i": .int32]
    try Fuzzing("tensors", samples: samples, tokens: tokens, inputs: 10_000).run { input, _ in
        guard let value = try? MillraceJSON.decode(JSONValue.self, bytes: input) else { return }
        let request: TensorsRequest
        do {
            request = try TensorsRequest(value, elements: elements, limits: limits)
        } catch let failure as JobFailure where ["invalid_input", "too_large"].contains(failure.code) { return }
        guard request.examples.count <= limits.rowsMax else { throw Fuzzing.Finding("\(request.examples.count) examples") }
        for tensor in request.examples.flatMap(\.values) {
            let count = tensor.shape.reduce(1, *)
            guard tensor.count == count, NestedArray.flat(tensor).count == count else { throw Fuzzing.Finding("\(tensor.shape) of \(tensor.count)") }
            _ = NestedArray.nested(NestedArray.flat(tensor), tensor.shape)
        }
    }
}

private func fuzzPages() throws {
    let samples = ["1-3,5", "1", "10-20, 30 ,40-41", "1,1,1-1000000"].map { Array($0.utf8) }
    try Fuzzing("pages", samples: samples, tokens: ["-", ",", " ", "--", "0", "99999999999999999999", "+1", "٣"], inputs: 20_000).run { input, _ in
        do {
            let selection = try PageSelection(String(decoding: input, as: UTF8.self))
            guard !selection.ranges.isEmpty, selection.ranges.allSatisfy({ $0.lowerBound >= 1 && $0.upperBound <= selection.last }) else {
                throw Fuzzing.Finding("\(selection.ranges)")
            }
        } catch let failure as JobFailure where failure.code == "invalid_parameter" {}
    }
}
