import MillraceCore

/// Remembers what was said, so that a decision that stands is not written down at each look.
struct DecisionSpeech: Sendable, Codable, Equatable {
    private var last: String?
    /// Since starting began to go wrong: each retry would say the same again.
    private var whileFailing: Set<String> = []
    private var warned: [String] = []

    /// Whether this is new. Looks at which there is nothing to say make it so again.
    mutating func isNew(_ words: String?, isFailing: Bool) -> Bool {
        defer { last = words }
        guard let words, words != last else { return false }
        guard isFailing else { return true }
        if whileFailing.count >= 50 { whileFailing = [] }
        return whileFailing.insert(words).inserted
    }

    /// Whether this was not warned of yet.
    mutating func isNewWarning(_ words: String) -> Bool {
        guard !warned.contains(words) else { return false }
        warned = warned.suffix(7) + [words]
        return true
    }

    mutating func forgetFailures() { whileFailing = [] }
}
