/// Parsed JSON before anybody has said which types it holds, for ``JSONNodeDecoder``.
enum JSONNode: Sendable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONNode])
    /// In the order they were written; of a name that comes twice the last counts.
    case object([Member])

    struct Member: Sendable {
        var name: String
        var node: JSONNode
    }

    /// - Throws: `DecodingError.dataCorrupted` with an empty coding path.
    init(parsing bytes: some Sequence<UInt8>) throws {
        self = try JSONReader.read(bytes) { try JSONNode(&$0) }
    }

    init(_ reader: inout JSONReader) throws {
        switch reader.nextByte {
        case UInt8(ascii: "{"):
            var members: [Member] = []
            try reader.object { members.append(Member(name: $0.text, node: try JSONNode(&$1))) }
            self = .object(members)
        case UInt8(ascii: "["):
            var values: [JSONNode] = []
            try reader.array { values.append(try JSONNode(&$0)) }
            self = .array(values)
        case UInt8(ascii: "\""): self = .string(try reader.string())
        case UInt8(ascii: "t"), UInt8(ascii: "f"): self = .bool(try reader.bool())
        case UInt8(ascii: "n"):
            _ = try reader.null()
            self = .null
        case nil: throw reader.fault("the JSON ends too early")
        default: self = .number(try reader.scanNumber())
        }
    }

    var value: JSONValue {
        switch self {
        case .null: .null
        case .bool(let value): .bool(value)
        case .number(let number): number.value
        case .string(let value): .string(value)
        case .array(let values): .array(values.map(\.value))
        case .object(let members): .object(Dictionary(members.lazy.map { ($0.name, $0.node.value) }, uniquingKeysWith: { $1 }))
        }
    }
}
