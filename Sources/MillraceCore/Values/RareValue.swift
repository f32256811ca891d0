/// An optional value that is seldom there and large when it is: without it there is a pointer, not room for it.
///
/// Jobs are copied by the thousand; most of them have no failure, checkpoint or progress.
@propertyWrapper
public struct RareValue<Value: Sendable>: Sendable {
    private final class Box: Sendable {
        let value: Value
        init(_ value: Value) { self.value = value }
    }
    private var box: Box?

    public init(wrappedValue: Value?) { box = wrappedValue.map(Box.init) }

    public var wrappedValue: Value? {
        get { box?.value }
        set { box = newValue.map(Box.init) }
    }
}

extension RareValue: Equatable where Value: Equatable {
    public static func == (left: Self, right: Self) -> Bool {
        left.box === right.box || left.wrappedValue == right.wrappedValue
    }
}

extension RareValue: Codable where Value: Codable {
    public init(from decoder: any Decoder) throws { self.init(wrappedValue: try Value(from: decoder)) }
    public func encode(to encoder: any Encoder) throws { try wrappedValue.encode(to: encoder) }
}

// A member that is absent stands for no value, as with any optional.

extension KeyedDecodingContainer {
    public func decode<Value: Codable>(_ type: RareValue<Value>.Type, forKey key: Key) throws -> RareValue<Value> {
        RareValue(wrappedValue: try decodeIfPresent(Value.self, forKey: key))
    }
}

extension KeyedEncodingContainer {
    public mutating func encode<Value: Codable>(_ value: RareValue<Value>, forKey key: Key) throws {
        try encodeIfPresent(value.wrappedValue, forKey: key)
    }
}
