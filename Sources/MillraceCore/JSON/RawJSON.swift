/// A JSON value that is passed on as the text it came as, and parsed only by whoever looks into it.
///
/// In a message it stands as the value itself. Two are equal when their values are.
public struct RawJSON: Sendable {
    /// Valid JSON.
    public let text: String

    /// - Parameter text: valid JSON, as from a store that was given it as a value.
    public init(trusting text: String) { self.text = text }

    public init(_ value: JSONValue) { text = MillraceJSON.text(of: value) }

    /// The value; null where a store's text turned out not to be JSON after all.
    public var value: JSONValue { (try? MillraceJSON.fastDecode(JSONValue.self, from: text.utf8)) ?? .null }
}

extension RawJSON: Equatable {
    public static func == (left: Self, right: Self) -> Bool { left.text == right.text || left.value == right.value }
}

extension RawJSON: FastJSON {
    public func write(to writer: inout JSONWriter) { writer.raw(text) }
    public init(_ reader: inout JSONReader) throws { text = try reader.rawText() }

    public init(from decoder: any Decoder) throws { self.init(try JSONValue(from: decoder)) }
    public func encode(to encoder: any Encoder) throws { try value.encode(to: encoder) }
}
