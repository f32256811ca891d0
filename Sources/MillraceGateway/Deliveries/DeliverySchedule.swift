import MillraceCore

/// When a webhook is tried again: the schedule that Standard Webhooks recommends, with some jitter.
enum DeliverySchedule {
    /// The wait after the first try, after the second... When all are used up, the delivery has failed.
    static let waits: [Duration] = [
        .seconds(5), .seconds(5 * 60), .seconds(30 * 60), .seconds(2 * 3600), .seconds(5 * 3600), .seconds(10 * 3600),
        .seconds(14 * 3600), .seconds(20 * 3600), .seconds(24 * 3600),
    ]
    static let retryAfterMax: Duration = .seconds(24 * 3600)

    /// What one try came to.
    enum Answer: Sendable, Equatable {
        case status(Int, retryAfter: Duration?)
        case failed(String)
        /// The address itself is refused: another try would be too.
        case refused(String)
    }

    /// The record of the try, and when the next one is.
    /// - Parameters:
    ///   - tries: how many there were before.
    ///   - fraction: a random number from 0 up to 1.
    static func verdict(on answer: Answer, tries: Int, at now: Timestamp, fraction: Double) -> (attempt: Record, next: Timestamp?) {
        let regular = tries < waits.count ? waits[tries] * (0.9 + 0.2 * fraction) : nil
        switch answer {
        case .status(let status, _) where (200..<300).contains(status):
            return (.init(status: status, error: nil, delivered: true), nil)
        case .status(410, _):
            return (.init(status: 410, error: "the receiver is gone and wants no more", delivered: false), nil)
        case .status(let status, let retryAfter):
            let wait = regular.map { max($0, min(retryAfter ?? .zero, retryAfterMax)) }
            return (.init(status: status, error: "the receiver answered \(status)", delivered: false), wait.map { now + $0 })
        case .failed(let reason):
            return (.init(status: nil, error: reason, delivered: false), regular.map { now + $0 })
        case .refused(let reason):
            return (.init(status: nil, error: reason, delivered: false), nil)
        }
    }

    struct Record: Sendable, Equatable {
        var status: Int?
        var error: String?
        var delivered: Bool
    }
}
