import ArgumentParser
import MillraceCore
import MillraceWire

/// Which jobs are meant, where they are not named one by one.
struct SelectionOptions: ParsableArguments {
    @Option(help: "Only jobs of this endpoint.")
    var endpoint: String?

    @Option(help: "Only jobs that failed with this error code.")
    var code: String?

    @Option(help: ArgumentHelp("Only jobs that came at or after this time: 2026-11-21T10:00:00Z, or how long ago, such as 2h.", valueName: "time"))
    var createdAfter: PastArgument?

    @Option(help: ArgumentHelp("Only jobs that came before this time.", valueName: "time"))
    var createdBefore: PastArgument?

    func selection(_ states: [JobState]? = nil, all: Bool = false) -> JobSelection {
        let now = CommandSurroundings.current.surroundings.now()
        return JobSelection(
            endpoint: endpoint, state: states, code: code, createdAfter: createdAfter?.time(at: now),
            createdBefore: createdBefore?.time(at: now), all: all ? true : nil)
    }
}

extension [JobState] {
    /// States as people list them, with commas between.
    /// - Throws: a `ValidationError` that says which there are.
    static func parse(_ text: String?, of allowed: [JobState] = JobState.allCases) throws -> [JobState]? {
        guard let text else { return nil }
        let known = allowed.map(\.rawValue)
        let names = text.split(separator: ",").map(String.init)
        guard !names.isEmpty else { throw ValidationError("--state names no state; there are \(known.joined(separator: ", "))") }
        return try names.map { name in
            if let state = JobState(rawValue: name), allowed.contains(state) { return state }
            if JobState(rawValue: name) != nil { throw ValidationError("jobs that are \(name) are none of these: \(known.joined(separator: ", "))") }
            let near = Spelling.nearest(to: name, in: known)
            throw ValidationError("\"\(name)\" is no state of a job; " + (near.map { "did you mean \"\($0)\"?" } ?? "there are \(known.joined(separator: ", "))"))
        }
    }
}
