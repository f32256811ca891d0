import Foundation

// The small generic functions are inlinable: made for each type in whoever calls them, they cost no look-up of metadata.

/// A type that writes and reads itself as JSON without a coder in between, for messages that come by the thousand a second.
///
/// What it writes is what its `Codable` form writes, byte for byte, and it reads what that form reads; ``MillraceJSON`` uses it
/// wherever it is there. Names of members are written in sorted order.
public protocol FastJSON: Codable {
    func write(to writer: inout JSONWriter)
    /// - Throws: `DecodingError`, which need not name the field: ``MillraceJSON`` asks the `Codable` form what is wrong.
    init(_ reader: inout JSONReader) throws
}

extension JSONWriter {
    @inlinable
    public mutating func value(_ value: some FastJSON) { value.write(to: &self) }

    @inlinable
    public mutating func values(_ values: some Sequence<some FastJSON>) {
        array(values) { $0.write(to: &$1) }
    }

    /// A member that is left out when there is no value.
    @inlinable
    public mutating func optional(_ name: StaticString, _ value: (some FastJSON)?) {
        guard let value else { return }
        key(name)
        value.write(to: &self)
    }

    /// A value of a type that is too seldom written to have a form of its own here.
    public mutating func seldom(_ value: some Encodable) {
        guard let text = try? MillraceJSON.string(value) else { return isValid = false }
        raw(text)
    }
}

extension JSONReader {
    @inlinable
    public mutating func value<Value: FastJSON>(_ type: Value.Type = Value.self) throws -> Value { try Value(&self) }

    @inlinable
    public mutating func values<Value: FastJSON>(_ type: Value.Type = Value.self) throws -> [Value] {
        var values: [Value] = []
        try array { values.append(try Value(&$0)) }
        return values
    }

    /// `nil` for null.
    @inlinable
    public mutating func optional<Value: FastJSON>(_ type: Value.Type = Value.self) throws -> Value? {
        try null() ? nil : try Value(&self)
    }

    /// A value of a type that is too seldom read to have a form of its own here: read by its `Codable` form.
    public mutating func seldom<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        try JSONNodeDecoder(JSONNode(&self)).decode(type)
    }

    /// The value of a member that must be there.
    @inlinable
    public func required<Value>(_ value: Value?, _ name: StaticString) throws -> Value {
        guard let value else { throw fault("\"\(name)\" is missing") }
        return value
    }
}

extension String: FastJSON {
    public func write(to writer: inout JSONWriter) { writer.string(self) }
    public init(_ reader: inout JSONReader) throws { self = try reader.string() }
}

extension Double: FastJSON {
    public func write(to writer: inout JSONWriter) { writer.number(self) }
    public init(_ reader: inout JSONReader) throws { self = try reader.double() }
}

extension Identifier: FastJSON {
    @inlinable
    public func write(to writer: inout JSONWriter) { writer.identifier(high, low) }

    @inlinable
    public init(_ reader: inout JSONReader) throws {
        let (high, low) = try reader.identifier()
        self.init(high: high, low: low)
    }
}

extension Timestamp: FastJSON {
    public func write(to writer: inout JSONWriter) {
        writer.literal("\"")
        writer.raw(description)
        writer.literal("\"")
    }

    public init(_ reader: inout JSONReader) throws {
        guard let time = Self(try reader.string()) else { throw reader.fault("an RFC 3339 time is missing") }
        self = time
    }
}

extension JSONValue: FastJSON {
    public func write(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .integer(let value): writer.integer(value)
        case .number(let value): writer.number(value)
        case .string(let value): writer.string(value)
        case .array(let values): writer.values(values)
        case .object(let members):
            writer.object { writer in
                for (name, value) in members.sorted(by: { $0.key < $1.key }) {
                    writer.key(name)
                    value.write(to: &writer)
                }
            }
        }
    }

    public init(_ reader: inout JSONReader) throws {
        switch reader.nextByte {
        case UInt8(ascii: "{"):
            var members: [String: JSONValue] = [:]
            try reader.object { members[$0.text] = try JSONValue(&$1) }
            self = .object(members)
        case UInt8(ascii: "["): self = .array(try reader.values())
        case UInt8(ascii: "\""): self = .string(try reader.string())
        case UInt8(ascii: "t"), UInt8(ascii: "f"): self = .bool(try reader.bool())
        case UInt8(ascii: "n"):
            _ = try reader.null()
            self = .null
        case nil: throw reader.fault("the JSON ends too early")
        default: self = try reader.scanNumber().value
        }
    }
}
