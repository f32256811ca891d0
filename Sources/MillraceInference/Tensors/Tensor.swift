import MillraceCore

/// A dense array of one element type in row-major order.
public struct Tensor: Sendable, Equatable {
    public typealias Element = ElementType

    public var element: Element
    /// The length of each axis, outermost first. A scalar has none.
    public var shape: [Int]
    /// `shape.product * element.byteCount` bytes in the machine's byte order.
    public var bytes: [UInt8]

    public init(element: Element, shape: [Int], bytes: [UInt8]) {
        precondition(bytes.count == shape.reduce(1, *) * element.byteCount, "a tensor's bytes must fit its shape")
        self.element = element
        self.shape = shape
        self.bytes = bytes
    }

    public init(_ values: [Float], shape: [Int]) {
        self.init(element: .float32, shape: shape, bytes: values.withUnsafeBytes(Array.init))
    }

    public init(_ values: [Int64], shape: [Int]) {
        self.init(element: .int64, shape: shape, bytes: values.withUnsafeBytes(Array.init))
    }

    /// - Precondition: A value is as long as the element.
    public init<Value: BitwiseCopyable>(_ values: [Value], of element: Element, shape: [Int]) {
        precondition(MemoryLayout<Value>.size == element.byteCount, "\(element) is no \(Value.self)")
        self.init(element: element, shape: shape, bytes: values.withUnsafeBytes(Array.init))
    }

    public var count: Int { shape.reduce(1, *) }

    /// The values of a `float32` tensor. Traps on another element type.
    public var floats: [Float] { values(as: .float32) }
    /// The values of an `int64` tensor. Traps on another element type.
    public var integers: [Int64] { values(as: .int64) }

    private func values<Value: BitwiseCopyable>(as expected: Element) -> [Value] {
        precondition(element == expected, "this tensor holds \(element), not \(expected)")
        return values(as: Value.self)
    }

    /// The bytes read as values of a type that is as long as the element. Traps on another length.
    public func values<Value: BitwiseCopyable>(as type: Value.Type) -> [Value] {
        precondition(MemoryLayout<Value>.size == element.byteCount, "\(element) is no \(type)")
        return bytes.withUnsafeBytes { raw in
            (0..<count).map { raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.size, as: Value.self) }
        }
    }
}

/// What a model takes and gives. A negative axis length means that any is accepted.
public struct ModelSignature: Sendable, Equatable {
    public struct Port: Sendable, Equatable {
        public var name: String
        public var element: Tensor.Element
        public var shape: [Int]

        public init(name: String, element: Tensor.Element, shape: [Int]) {
            self.name = name
            self.element = element
            self.shape = shape
        }
    }
    public var inputs: [Port]
    public var outputs: [Port]

    public init(inputs: [Port], outputs: [Port]) {
        self.inputs = inputs
        self.outputs = outputs
    }
}
