import MillraceCore
import MillraceInference

/// Nested JSON arrays of numbers as a flat list and a shape, and back.
struct NestedArray {
    private static let axesMax = 16

    var values: [JSONValue]
    var shape: [Int]

    init(values: [JSONValue], shape: [Int]) {
        self.values = values
        self.shape = shape
    }

    /// - Throws: `invalid_input` when arrays of one axis differ in length, or something is neither number nor array.
    init(_ value: JSONValue, of name: String) throws(JobFailure) {
        values = []
        shape = []
        var outermost = value
        while case .array(let elements) = outermost {
            guard let first = elements.first else {
                throw JobFailure(.invalidInput, "input \"\(name)\" holds an empty array")
            }
            shape.append(elements.count)
            guard shape.count <= Self.axesMax else {
                throw JobFailure(.invalidInput, "input \"\(name)\" has more than \(Self.axesMax) axes")
            }
            outermost = first
        }
        try flatten(value, axis: 0, name)
    }

    private mutating func flatten(_ value: JSONValue, axis: Int, _ name: String) throws(JobFailure) {
        switch value {
        case .array(let elements) where axis < shape.count:
            guard elements.count == shape[axis] else {
                throw JobFailure(
                    .invalidInput, "input \"\(name)\" is ragged: axis \(axis) has \(elements.count) and \(shape[axis]) elements")
            }
            for element in elements { try flatten(element, axis: axis + 1, name) }
        case .integer where axis == shape.count, .number where axis == shape.count:
            values.append(value)
        default:
            throw JobFailure(.invalidInput, "input \"\(name)\" must be numbers in evenly nested arrays, not \(value.typeName) at axis \(axis)")
        }
    }

    /// - Throws: `invalid_input` when a value does not fit the element type.
    func tensor(_ element: Tensor.Element, of name: String) throws(JobFailure) -> Tensor {
        switch element {
        case .float32: return Tensor(values.map { Float($0.doubleValue ?? 0) }, shape: shape)
        case .int64: return Tensor(try integers(Int64.self, element, name), shape: shape)
        case .int32: return Tensor(element: .int32, shape: shape, bytes: try integers(Int32.self, element, name).withUnsafeBytes { Array($0) })
        case .uint8: return Tensor(element: .uint8, shape: shape, bytes: try integers(UInt8.self, element, name))
        }
    }

    private func integers<Value: FixedWidthInteger>(
        _ type: Value.Type, _ element: Tensor.Element, _ name: String
    ) throws(JobFailure) -> [Value] {
        var result: [Value] = []
        result.reserveCapacity(values.count)
        for value in values {
            guard let number = value.integerValue.flatMap(Value.init(exactly:)) else {
                throw JobFailure(.invalidInput, "input \"\(name)\" holds a value that is no \(element)")
            }
            result.append(number)
        }
        return result
    }

    /// The tensor's values in row-major order. Floats have as many digits as tell them from their neighbours.
    static func flat(_ tensor: Tensor) -> [JSONValue] {
        switch tensor.element {
        case .float32: tensor.floats.map { $0.isFinite ? .number(Double($0.description) ?? Double($0)) : .null }
        case .int64: tensor.integers.map { .integer($0) }
        case .int32:
            tensor.bytes.withUnsafeBytes { bytes in
                (0..<tensor.count).map { .integer(Int64(bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self))) }
            }
        case .uint8: tensor.bytes.map { .integer(Int64($0)) }
        }
    }

    /// Row-major values as nested arrays; a scalar is its value.
    static func nested(_ values: [JSONValue], _ shape: [Int]) -> JSONValue {
        guard let count = shape.first else { return values.first ?? .null }
        guard count > 0 else { return .array([]) }
        let inner = Array(shape.dropFirst())
        guard !inner.isEmpty else { return .array(values) }
        let each = values.count / count
        return .array((0..<count).map { nested(Array(values[$0 * each..<($0 + 1) * each]), inner) })
    }
}
