/// The type of the elements of a tensor, named as it is said to handlers.
public enum ElementType: String, Sendable, Codable, CaseIterable {
    case bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, float32, float64

    public var byteCount: Int {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .float16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        }
    }
}
