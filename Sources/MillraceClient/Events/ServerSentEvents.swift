/// Reads a stream of server-sent events (HTML standard, 9.2.6), however it is cut into pieces.
struct ServerSentEventParser {
    struct Event: Equatable {
        var name = "message"
        var id: String?
        var data = ""
    }

    /// More than any event of Millrace has.
    private static let lineBytesMax = 1 << 20

    struct LineTooLong: Error {}

    /// What the server asks to wait before a new connection, in milliseconds.
    private(set) var retryMilliseconds: Int?
    private var line: [UInt8] = []
    private var event = Event()
    private var hasData = false
    private var sawReturn = false

    mutating func append(_ bytes: some Sequence<UInt8>) throws -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            defer { sawReturn = byte == UInt8(ascii: "\r") }
            switch byte {
            case UInt8(ascii: "\n") where sawReturn: continue
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if let event = endLine() { events.append(event) }
            default:
                guard line.count < Self.lineBytesMax else { throw LineTooLong() }
                line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() -> Event? {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else { return dispatch() }
        let text = String(decoding: line, as: UTF8.self)
        guard !text.hasPrefix(":") else { return nil }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count > 1 ? String(parts[1].hasPrefix(" ") ? parts[1].dropFirst() : parts[1]) : ""
        take(String(parts[0]), value)
        return nil
    }

    private mutating func take(_ field: String, _ value: String) {
        switch field {
        case "event": event.name = value
        case "id": event.id = value
        case "data":
            event.data += (hasData ? "\n" : "") + value
            hasData = true
        case "retry": retryMilliseconds = Int(value) ?? retryMilliseconds
        default: break
        }
    }

    private mutating func dispatch() -> Event? {
        defer {
            event = Event()
            hasData = false
        }
        return hasData ? event : nil
    }
}
