import MillraceCore

/// Where an array lies in shared memory: `shape.product` elements in row-major order and the machine's byte order, from `offset` of the
/// memory file at `path`, which is `/proc/<process>/fd/<descriptor>`.
public struct HandlerTensor: Sendable, Codable, Equatable {
    public var datatype: ElementType
    /// The length of each axis, outermost first; empty for a single number.
    public var shape: [Int]
    public var path: String
    public var offset: Int
    public var bytes: Int

    public init(datatype: ElementType, shape: [Int], path: String, offset: Int, bytes: Int) {
        self.datatype = datatype
        self.shape = shape
        self.path = path
        self.offset = offset
        self.bytes = bytes
    }

    /// The axes that a tensor may have.
    public static let axesMax = 32

    /// Whether the shape is possible, and `bytes` and `offset` fit it.
    public var isSound: Bool {
        guard shape.count <= Self.axesMax, offset >= 0, shape.allSatisfy({ $0 >= 0 }) else { return false }
        var bytes = datatype.byteCount
        for length in shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: length)
            guard !overflow else { return false }
            bytes = product
        }
        return bytes == self.bytes && !offset.addingReportingOverflow(bytes).overflow
    }
}

/// A tensor with the name of the output that it becomes.
public struct NamedTensor: Sendable, Codable, Equatable {
    public var name: String
    public var tensor: HandlerTensor

    public init(name: String, tensor: HandlerTensor) {
        self.name = name
        self.tensor = tensor
    }

    private enum Key: String, CodingKey { case name }

    /// One flat object.
    public init(from decoder: any Decoder) throws {
        name = try decoder.container(keyedBy: Key.self).decode(String.self, forKey: .name)
        tensor = try HandlerTensor(from: decoder)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(name, forKey: .name)
        try tensor.encode(to: encoder)
    }
}
