import Foundation
import GRDB
import MillraceCore
import MillraceQueue

// How values of the vocabulary look in columns.

extension Identifier {
    var data: Data {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Data($0) }
    }

    init(column data: Data) {
        precondition(data.count == 16, "an id column holds \(data.count) bytes, not 16")
        self = data.withUnsafeBytes { bytes in
            Self(
                high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }
}

extension Timestamp {
    init?(column value: Int64?) {
        guard let value else { return nil }
        self.init(milliseconds: value)
    }
}

/// JSON columns; what is empty is `NULL`.
enum JSONColumn {
    static func text<Value: Encodable>(_ value: Value?) throws -> String? {
        try value.map { try MillraceJSON.string($0) }
    }

    static func text(unlessEmpty parameters: [String: JSONValue]) -> String? {
        parameters.isEmpty ? nil : RawJSON(.object(parameters)).text
    }

    static func parameters(_ text: String) -> [String: JSONValue] {
        RawJSON(trusting: text).value.objectValue ?? [:]
    }

    static func text(unlessEmpty values: [some FastJSON]) -> String? {
        guard !values.isEmpty else { return nil }
        var writer = JSONWriter()
        writer.values(values)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    static func value<Value: Decodable>(_ text: String?, _ type: Value.Type = Value.self) throws -> Value? {
        try text.map { try MillraceJSON.decode(Value.self, from: $0) }
    }
}

/// An enumeration that is a small number in its column. The numbers are frozen.
protocol NumberedColumn: Equatable {
    static var numbered: [Self] { get }
}

extension NumberedColumn {
    var number: Int {
        guard let index = Self.numbered.firstIndex(of: self) else { preconditionFailure("\(self) has no number") }
        return index
    }

    init(column number: Int) {
        precondition(Self.numbered.indices.contains(number), "a column of \(Self.self) holds \(number)")
        self = Self.numbered[number]
    }
}

extension JobState: NumberedColumn {
    static let numbered: [JobState] = [.queued, .running, .succeeded, .failed, .cancelled, .expired]
}

extension LogLine.Level: NumberedColumn {
    static let numbered: [LogLine.Level] = [.debug, .info, .warning, .error]
}

extension BlobRecord.State: NumberedColumn {
    static let numbered: [BlobRecord.State] = [.pending, .stored, .deleting]
}

extension EndpointMode: NumberedColumn {
    static let numbered: [EndpointMode] = [.open, .paused, .draining]
}

extension Delivery.State: NumberedColumn {
    static let numbered: [Delivery.State] = [.pending, .delivered, .failed]
}
