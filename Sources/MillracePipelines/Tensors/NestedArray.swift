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
        case .integer where axis == shape.count, .number where axis == shape.count, .bool where axis == shape.count:
            values.append(value)
        default:
            throw JobFailure(.invalidInput, "input \"\(name)\" must be numbers in evenly nested arrays, not \(value.typeName) at axis \(axis)")
        }
    }

    /// - Throws: `invalid_input` when a value does not fit the element type.
    func tensor(_ element: Tensor.Element, of name: String) throws(JobFailure) -> Tensor {
        switch element {
        case .float16: return Tensor(try doubles(element, name).map { Float16($0) }, of: element, shape: shape)
        case .float32: return Tensor(try doubles(element, name).map { Float($0) }, shape: shape)
        case .float64: return Tensor(try doubles(element, name), of: element, shape: shape)
        case .bool: return Tensor(try truths(element, name), of: element, shape: shape)
        case .uint8: return Tensor(try integers(UInt8.self, element, name), of: element, shape: shape)
        case .uint16: return Tensor(try integers(UInt16.self, element, name), of: element, shape: shape)
        case .uint32: return Tensor(try integers(UInt32.self, element, name), of: element, shape: shape)
        case .uint64: return Tensor(try integers(UInt64.self, element, name), of: element, shape: shape)
        case .int8: return Tensor(try integers(Int8.self, element, name), of: element, shape: shape)
        case .int16: return Tensor(try integers(Int16.self, element, name), of: element, shape: shape)
        case .int32: return Tensor(try integers(Int32.self, element, name), of: element, shape: shape)
        case .int64: return Tensor(try integers(Int64.self, element, name), shape: shape)
        }
    }

    private func doubles(_ element: Tensor.Element, _ name: String) throws(JobFailure) -> [Double] {
        var result: [Double] = []
        result.reserveCapacity(values.count)
        for value in values {
            guard let number = value.doubleValue else { throw Self.misfit(element, name) }
            result.append(number)
        }
        return result
    }

    /// True and false, or 1 and 0.
    private func truths(_ element: Tensor.Element, _ name: String) throws(JobFailure) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(values.count)
        for value in values {
            guard let truth = value.boolValue ?? value.integerValue.flatMap({ $0 == 0 ? false : $0 == 1 ? true : nil }) else {
                throw Self.misfit(element, name)
            }
            result.append(truth ? 1 : 0)
        }
        return result
    }

    private static func misfit(_ element: Tensor.Element, _ name: String) -> JobFailure {
        JobFailure(.invalidInput, "input \"\(name)\" holds a value that is no \(element)")
    }

    private func integers<Value: FixedWidthInteger>(
        _ type: Value.Type, _ element: Tensor.Element, _ name: String
    ) throws(JobFailure) -> [Value] {
        var result: [Value] = []
        result.reserveCapacity(values.count)
        for value in values {
            guard let number = value.integerValue.flatMap(Value.init(exactly:)) else { throw Self.misfit(element, name) }
            result.append(number)
        }
        return result
    }

    /// The tensor's values in row-major order. Floats have as many digits as tell them from their neighbours.
    static func flat(_ tensor: Tensor) -> [JSONValue] {
        switch tensor.element {
        case .float16: floats(tensor.values(as: Float16.self))
        case .float32: floats(tensor.floats)
        case .float64: floats(tensor.values(as: Double.self))
        case .bool: tensor.bytes.map { .bool($0 != 0) }
        case .uint8: integers(tensor.bytes)
        case .uint16: integers(tensor.values(as: UInt16.self))
        case .uint32: integers(tensor.values(as: UInt32.self))
        case .uint64: tensor.values(as: UInt64.self).map { Int64(exactly: $0).map { .integer($0) } ?? .number(Double($0)) }
        case .int8: integers(tensor.values(as: Int8.self))
        case .int16: integers(tensor.values(as: Int16.self))
        case .int32: integers(tensor.values(as: Int32.self))
        case .int64: integers(tensor.integers)
        }
    }

    private static func floats<Value: BinaryFloatingPoint & CustomStringConvertible>(_ values: [Value]) -> [JSONValue] {
        values.map { $0.isFinite ? .number(Double($0.description) ?? Double($0)) : .null }
    }

    private static func integers(_ values: [some BinaryInteger]) -> [JSONValue] { values.map { .integer(Int64($0)) } }

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
