import Foundation
import Hummingbird
import MillraceCore

/// A request's query, read strictly: every key must be asked for, and once.
struct QueryItems {
    private(set) var values: [String: String] = [:]

    init(_ request: Request) throws {
        guard let query = request.uri.query, !query.isEmpty else { return }
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = try Self.decoded(parts[0])
            let value = try parts.count == 2 ? Self.decoded(parts[1]) : ""
            guard values.updateValue(value, forKey: key) == nil else {
                throw MillraceError(.malformedRequest, "\"\(key)\" is in the query twice")
            }
        }
    }

    /// - Throws: `malformed_request` when there is any other key.
    func allow(only known: String...) throws { try allow(known) }

    /// - Throws: `malformed_request` when there is any other key.
    func allow(_ known: [String]) throws {
        for key in values.keys.sorted() where !known.contains(key) {
            let hint =
                if let near = Spelling.nearest(to: key, in: known) { "did you mean \"\(near)\"?" }
                else if known.isEmpty { "nothing is read from the query here" }
                else { "known keys: \(known.joined(separator: ", "))" }
            throw MillraceError(.malformedRequest, "unknown query key \"\(key)\"", hint: hint)
        }
    }

    subscript(key: String) -> String? { values[key] }

    /// A number within bounds, or an error that says the bounds.
    func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = values[key] else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw MillraceError(.malformedRequest, "\"\(key)\" must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A moment, or an error that shows how one is written.
    func time(_ key: String) throws -> Timestamp? {
        guard let text = values[key] else { return nil }
        guard let time = Timestamp(text) else { throw MillraceError(.malformedRequest, "\"\(key)\" must be \(Timestamp.howWritten)") }
        return time
    }

    private static func decoded(_ text: Substring) throws -> String {
        guard let text = text.replacing("+", with: " ").removingPercentEncoding else {
            throw MillraceError(.malformedRequest, "the query is not encoded as it should be")
        }
        return text
    }
}

extension Timestamp {
    static let howWritten = "a time as RFC 3339 has it, such as 2026-11-21T10:35:49Z"
}
