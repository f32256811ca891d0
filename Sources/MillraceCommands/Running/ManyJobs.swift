import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

/// Changes many jobs at once, after asking whoever sits at the terminal.
struct ManyJobs {
    enum Action {
        case cancel, redrive

        var verb: String { self == .cancel ? "cancel" : "redrive" }
        var done: String { self == .cancel ? "cancelled" : "redrove" }
        /// What is meant where no states are named.
        var states: [JobState] { self == .cancel ? [.queued, .running] : [.failed] }
        /// What may be named.
        var allowed: [JobState] { self == .cancel ? [.queued, .running] : [.failed, .cancelled, .expired] }
    }

    let client: MillraceClient
    let action: Action
    let selection: JobSelection
    var surroundings = CommandSurroundings.current

    /// Jobs are named one by one or by what they have in common.
    static func check(_ jobs: [JobID], _ selection: JobSelection) throws {
        let isSelected = selection.isNarrowed || selection.all == true
        if jobs.isEmpty, !isSelected {
            throw ValidationError("say which jobs: their ids, or --endpoint, --state, --code, --created-after, --created-before, or --all")
        }
        if !jobs.isEmpty, isSelected { throw ValidationError("give ids or options that select jobs, not both") }
        if selection.isNarrowed, selection.all == true { throw ValidationError("--all means every job; leave it out to select some") }
    }

    func run(asks: Bool, json: Bool) async throws {
        var counted = selection
        counted.state = selection.state ?? action.states
        let total = try await client.count(counted)
        let console = surroundings.console
        if total == 0, !json { return console.note("no job is selected by that; nothing was changed") }
        if asks, let answer = surroundings.answer { try confirm(total, answer) }
        let changed = try await change(upTo: total)
        console.draw("")
        try console.print(json ? try MillraceJSON.string(JobsChanged(changed: changed)) : "\(action.done) \(Self.words(changed))")
    }

    private func confirm(_ total: Int, _ answer: @Sendable (String) -> String?) throws {
        let said = answer("\(action.verb) \(Self.words(total))? [y/N] ")?.lowercased() ?? ""
        guard said == "y" || said == "yes" else {
            surroundings.console.note("nothing was changed")
            throw ExitCode(ChildExit.failure.rawValue)
        }
    }

    /// The server changes as many as it can in some seconds, and then wants to be asked again.
    private func change(upTo total: Int) async throws -> Int {
        let console = surroundings.console
        var changed = 0
        while changed < total {
            let bar = ProgressBar(
                label: action.verb, fraction: Double(changed) / Double(total), details: ["\(changed)/\(total) jobs"])
            console.draw(bar.rendered(width: max(console.screen.width() - 1, 1)))
            let step = try await action == .cancel ? client.cancel(selection) : client.redrive(selection)
            changed += step.changed
            guard step.more == true, step.changed > 0 else { break }
        }
        return changed
    }

    static func words(_ count: Int) -> String { count == 1 ? "1 job" : "\(count) jobs" }
}
