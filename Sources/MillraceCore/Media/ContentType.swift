/// A media type as `Content-Type` carries it (RFC 9110, section 8.3.1): `text/csv; charset=utf-8`.
public struct ContentType: Sendable, Equatable, CustomStringConvertible {
    /// Lower case.
    public var type: String
    /// Lower case.
    public var subtype: String
    /// Names in lower case.
    public var parameters: [String: String]

    public static let unknown = "application/octet-stream"

    /// The type without its parameters: `text/csv`.
    public var essence: String { "\(type)/\(subtype)" }
    public var description: String { essence }

    /// `nil` when `text` is not a media type.
    public init?(_ text: String) {
        let (essence, parameters) = HeaderParameters.split(text)
        let names = essence.split(separator: "/", omittingEmptySubsequences: false)
        guard names.count == 2, names.allSatisfy({ HeaderParameters.isToken($0) }) else { return nil }
        type = names[0].lowercased()
        subtype = names[1].lowercased()
        self.parameters = parameters
    }

    /// Whether a pattern of a manifest's `accepts` (`image/png`, `image/*`, `*/*`) covers a type.
    public static func pattern(_ pattern: String, covers essence: String) -> Bool {
        let pattern = pattern.lowercased()
        if pattern == "*/*" || pattern == "*" { return true }
        if pattern.hasSuffix("/*") { return essence.hasPrefix(pattern.dropLast()) }
        return pattern == essence
    }
}

/// `value; name=token; name="quoted"`: the grammar that `Content-Type` and `Content-Disposition` share (RFC 9110, 5.6.6).
public enum HeaderParameters {
    /// The value before the first semicolon, trimmed, and the parameters; of a repeated name the first one stays.
    public static func split(_ text: String) -> (value: String, parameters: [String: String]) {
        // Scalar by scalar: a combining mark behind a delimiter would make another character of it.
        var rest = Substring(text).unicodeScalars
        let value = take(from: &rest, until: ";")
        var parameters: [String: String] = [:]
        while !rest.isEmpty {
            rest = rest.drop { $0 == ";" || $0 == " " || $0 == "\t" }
            guard let equals = rest.firstIndex(where: { $0 == "=" || $0 == ";" }), rest[equals] == "=" else {
                _ = take(from: &rest, until: ";")
                continue
            }
            let name = trimmed(rest[..<equals]).lowercased()
            rest = rest[rest.index(after: equals)...]
            let value = rest.first == "\"" ? takeQuoted(from: &rest) : take(from: &rest, until: ";")
            if !name.isEmpty, parameters[name] == nil { parameters[name] = value }
        }
        return (value, parameters)
    }

    /// RFC 9110, 5.6.2.
    static func isToken(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
        }
    }

    private static func take(from rest: inout Substring.UnicodeScalarView, until end: Unicode.Scalar) -> String {
        let taken = rest.prefix { $0 != end }
        rest = rest[taken.endIndex...]
        return trimmed(taken)
    }

    /// A quoted string. Browsers send `%22` for a quote, and older ones a backslash before it; both are read.
    private static func takeQuoted(from rest: inout Substring.UnicodeScalarView) -> String {
        var value = String.UnicodeScalarView()
        rest = rest.dropFirst()
        while let scalar = rest.popFirst(), scalar != "\"" {
            if scalar == "\\", let next = rest.first, next == "\"" || next == "\\" {
                value.append(next)
                rest = rest.dropFirst()
            } else {
                value.append(scalar)
            }
        }
        _ = take(from: &rest, until: ";")
        return String(value)
    }

    private static func trimmed(_ text: Substring.UnicodeScalarView) -> String {
        let start = text.drop { $0 == " " || $0 == "\t" }
        return String(start[..<(start.lastIndex { $0 != " " && $0 != "\t" }.map { start.index(after: $0) } ?? start.startIndex)])
    }
}
