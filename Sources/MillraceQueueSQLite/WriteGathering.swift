/// When the next transaction begins, and which writes it takes.
///
/// A report of an attempt can wait a moment for nobody's harm, while a submit is somebody's answer and, for a worker that waits, the
/// start of a job. With submits coming one after the other, reports therefore go along with the next one, so that there is one
/// sync for both, not one for each, and few submits wait behind the sync of a report. (PostgreSQL's `commit_delay` with
/// `commit_siblings` is the same thought.) Nothing waits where other writes are few, or where reports come by the hundred.
struct WriteGathering {
    enum Urgency: Sendable {
        /// Begins a transaction, which takes whatever waits.
        case prompt
        /// Only looks: done at once, and nobody's reason for a sync.
        case look
        /// May wait for a prompt one.
        case patient
    }

    /// Patient writes wait while at least so many prompt ones came lately.
    static let siblings = 6

    /// What a patient write waits at most.
    private let patience: Duration
    /// What counts as lately.
    private let window: Duration
    private(set) var waiting: [(write: any PendingWrite, urgency: Urgency)] = []
    private var prompt = 0
    private var looks = 0
    /// Since when the first patient one waits.
    private var patientSince: ContinuousClock.Instant?
    private var lastPrompts: [ContinuousClock.Instant] = []

    init(patience: Duration, window: Duration) {
        self.patience = patience
        self.window = window
    }

    mutating func add(_ write: any PendingWrite, _ urgency: Urgency, at now: ContinuousClock.Instant) {
        waiting.append((write, urgency))
        switch urgency {
        case .prompt:
            prompt += 1
            if lastPrompts.count == Self.siblings { lastPrompts.removeFirst() }
            lastPrompts.append(now)
        case .look: looks += 1
        case .patient: patientSince = patientSince ?? now
        }
    }

    enum Next {
        case nothing
        case batch([any PendingWrite])
        /// Only patient writes are there: look again then, or when another comes.
        case wait(until: ContinuousClock.Instant)
    }

    mutating func next(atMost limit: Int, at now: ContinuousClock.Instant) -> Next {
        guard !waiting.isEmpty else { return .nothing }
        guard prompt == 0, let since = patientSince, arePromptOnesLikely(at: now), since + patience > now else {
            return .batch(take(limit) { _ in true })
        }
        return looks > 0 ? .batch(take(limit) { $0 == .look }) : .wait(until: since + patience)
    }

    private func arePromptOnesLikely(at now: ContinuousClock.Instant) -> Bool {
        lastPrompts.count == Self.siblings && lastPrompts[0] + window > now
    }

    private mutating func take(_ limit: Int, where wanted: (Urgency) -> Bool) -> [any PendingWrite] {
        var batch: [any PendingWrite] = []
        var rest: [(write: any PendingWrite, urgency: Urgency)] = []
        for entry in waiting {
            if batch.count < limit, wanted(entry.urgency) { batch.append(entry.write) } else { rest.append(entry) }
        }
        waiting = rest
        prompt = rest.count { $0.urgency == .prompt }
        looks = rest.count { $0.urgency == .look }
        if !rest.contains(where: { $0.urgency == .patient }) { patientSince = nil }
        return batch
    }
}
