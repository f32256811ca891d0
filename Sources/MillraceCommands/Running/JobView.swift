import MillraceClient
import MillraceCore

/// What is known of a job that somebody watches, and how it is shown; a value, told what happens.
struct JobView: Equatable {
    var title: String
    private(set) var upload: UploadProgress?
    private(set) var state: JobState?
    private(set) var attempt = 0
    private(set) var progress: JobProgress?
    private var since: Timestamp
    private var isRetry = false
    /// Of the last plain line about progress.
    private var told: (decile: Int?, at: Timestamp)?

    init(title: String, at now: Timestamp) {
        self.title = title
        since = now
    }

    static func == (left: JobView, right: JobView) -> Bool {
        (left.title, left.upload, left.state, left.attempt, left.progress) == (right.title, right.upload, right.state, right.attempt, right.progress)
    }

    mutating func uploaded(_ progress: UploadProgress) { upload = progress }

    /// - Returns: a line for people who see no bar, if this is worth one.
    mutating func apply(_ event: JobEvent) -> String? {
        switch event.detail {
        case .log: return nil
        case .state(let change):
            isRetry = change.state == .queued && state != nil
            (state, attempt, progress, since, told) = (change.state, change.attempt, nil, event.at, nil)
            return "\(title): \(words(change))"
        case .progress(let progress):
            self.progress = progress
            let decile = fraction.map { Int($0 * 10) }
            if let told, told.decile == decile, event.at.since(told.at) < .seconds(10) { return nil }
            told = (decile, event.at)
            return "\(title): " + progressDetails.joined(separator: ", ")
        }
    }

    private func words(_ change: StateChange) -> String {
        switch change.state {
        case .queued: isRetry ? "queued again (\(change.reason))" : "queued"
        case .running: change.attempt > 1 ? "running, attempt \(change.attempt)" : "running"
        case .succeeded: "succeeded"
        case .failed, .cancelled, .expired: "\(change.state.rawValue) (\(change.reason))"
        }
    }

    /// The line on a terminal.
    func bar(at now: Timestamp) -> ProgressBar {
        let elapsed = Quantities.duration(now.since(since))
        guard let state else {
            guard let upload, upload.sent < upload.total else { return ProgressBar(label: "\(title)  sent", fraction: nil, details: []) }
            return ProgressBar(
                label: "\(title)  sending", fraction: Double(upload.sent) / Double(max(upload.total, 1)),
                details: ["\(Quantities.bytes(upload.sent)) of \(Quantities.bytes(upload.total))"])
        }
        let word = isRetry ? "retrying" : state.rawValue
        let number = attempt > 1 ? ["attempt \(attempt)"] : []
        guard !state.isFinal else { return ProgressBar(label: "\(title)  \(word)", fraction: nil, details: number) }
        return ProgressBar(label: "\(title)  \(word)", fraction: state == .running ? fraction : nil, details: progressDetails + [elapsed] + number)
    }

    private var fraction: Double? {
        guard let progress, let total = progress.total, total > 0 else { return nil }
        return min(max(progress.done / total, 0), 1)
    }

    private var progressDetails: [String] {
        guard let progress else { return [] }
        let done = Quantities.number(progress.done) + (progress.total.map { "/" + Quantities.number($0) } ?? "")
        let metrics = (progress.metrics ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) \(Quantities.number($0.value, digits: 4))" }
        let percent = fraction.map { ["\(Int($0 * 100)) %"] } ?? []
        return [done + (progress.unit.map { " " + $0 } ?? "")] + percent + (progress.message.map { [$0] } ?? metrics)
    }
}
