import MillraceCore
import MillraceInference
import Testing

@testable import MillracePipelines

/// Every element type of a tensor, from JSON and back.
struct TensorElementTests {
    @Test(arguments: Tensor.Element.allCases)
    func `whole numbers come back as they were`(element: Tensor.Element) throws {
        let tensor = try NestedArray([[0, 1], [1, 0]], of: "x").tensor(element, of: "x")
        #expect(tensor.element == element && tensor.shape == [2, 2] && tensor.bytes.count == 4 * element.byteCount)
        let shown = NestedArray.flat(tensor)
        #expect(element == .bool ? shown == [false, true, true, false] : shown.map(\.doubleValue) == [0, 1, 1, 0])
        #expect(Tensor.Element(openInference: element.openInference) == element)
    }

    @Test func `the ends of each range are kept`() throws {
        func back(_ value: JSONValue, _ element: Tensor.Element) throws -> [JSONValue] {
            NestedArray.flat(try NestedArray([value], of: "x").tensor(element, of: "x"))
        }
        #expect(try back(-128, .int8) == [-128])
        #expect(try back(65_535, .uint16) == [65_535])
        #expect(try back(-32_768, .int16) == [-32_768])
        #expect(try back(4_294_967_295, .uint32) == [4_294_967_295])
        #expect(try back(.integer(.max), .uint64) == [.integer(.max)])
        #expect(try back(0.1, .float64) == [.number(0.1)])
        #expect(try back(0.1, .float16).first?.doubleValue == 0.1)
        #expect(try back(true, .bool) == [true])
        #expect(NestedArray.flat(Tensor([UInt64.max], of: .uint64, shape: [1])) == [.number(Double(UInt64.max))])
    }

    @Test(arguments: [
        (300, .uint8), (-1, .uint16), (0.5, .int32), (true, .float32), (true, .int64), (2, .bool), (128, .int8), (-1, .uint64),
    ] as [(JSONValue, Tensor.Element)])
    func `a value that does not fit is refused`(value: JSONValue, element: Tensor.Element) async {
        #expect(await code { try NestedArray([value], of: "x").tensor(element, of: "x") } == "invalid_input")
    }
}
