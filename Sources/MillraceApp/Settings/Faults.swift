import MillraceCore

/// Collects everything that is wrong with the settings, so that all of it is told at once.
struct Faults {
    private(set) var messages: [String] = []

    mutating func add(_ message: String) {
        messages.append(message)
    }

    func throwIfAny(_ code: ErrorCode = .invalidSettings, in source: String) throws {
        guard !messages.isEmpty else { return }
        let list = messages.map { "  - " + $0 }.joined(separator: "\n")
        throw MillraceError(code, "\(messages.count == 1 ? "a fault" : "\(messages.count) faults") in \(source):\n\(list)")
    }
}
