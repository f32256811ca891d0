/// When the next transaction begins, and which writes it takes.
///
/// A report of an attempt can wait a moment for nobody's harm, while a submit is somebody's answer and, for a worker that waits, the
/// start of a job. With submits coming one after the other, reports therefore go along with the next one, so that there is one
/// sync for both, not one for each, and few submits wait behind the sync of a report. (PostgreSQL's `commit_delay` with
/// `commit_siblings` is the same thought.) Meanwhile they are run in the transaction that the submit will complete. Nothing waits
/// where other writes are few, or where reports come by the hundred.
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
    /// Patient ones have run that are not committed.
    private var isOpen = false
    /// Since when the first patient one waits, in the open transaction or for it.
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
        case .look: break
        case .patient: patientSince = patientSince ?? now
        }
    }

    enum Next {
        case nothing
        /// These can wait, and until then they are run, in a transaction that stays open.
        case run([any PendingWrite])
        /// With these the transaction is complete.
        case commit([any PendingWrite])
        /// The open transaction waits: look again then, or when another write comes.
        case wait(until: ContinuousClock.Instant)
    }

    mutating func next(atMost limit: Int, at now: ContinuousClock.Instant) -> Next {
        if prompt == 0, let since = patientSince, arePromptOnesLikely(at: now), since + patience > now {
            guard !waiting.isEmpty else { return .wait(until: since + patience) }
            isOpen = true
            return .run(take(limit))
        }
        guard !waiting.isEmpty || isOpen else { return .nothing }
        isOpen = false
        let batch = take(limit)
        patientSince = waiting.contains { $0.urgency == .patient } ? now : nil
        return .commit(batch)
    }

    /// The open transaction has ended before its time.
    mutating func transactionEnded() {
        isOpen = false
        patientSince = waiting.contains { $0.urgency == .patient } ? patientSince : nil
    }

    private func arePromptOnesLikely(at now: ContinuousClock.Instant) -> Bool {
        lastPrompts.count == Self.siblings && lastPrompts[0] + window > now
    }

    private mutating func take(_ limit: Int) -> [any PendingWrite] {
        let batch = waiting.prefix(limit).map(\.write)
        waiting.removeFirst(batch.count)
        prompt = waiting.count { $0.urgency == .prompt }
        return batch
    }
}
