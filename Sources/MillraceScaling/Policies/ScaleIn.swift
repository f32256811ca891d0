import MillraceCore

/// Which workers go first when there are too many.
enum ScaleIn {
    /// Only those that hold nothing, the one that has been idle longest first: what production does.
    case idleOnly
    /// Then those that start, then busy ones, which finish what they hold: what clouds do.
    case any

    func drain(_ count: Int, of workers: [VariantObservation.Worker]) -> [WorkerID] {
        guard count > 0 else { return [] }
        var candidates = workers.compactMap { worker -> (id: WorkerID, order: Int64)? in
            guard let id = worker.id else { return nil }
            switch worker.activity {
            case .idle(let since): return (id, since.milliseconds)
            // Those that began last go first.
            case .starting(let since): return self == .any ? (id, .max / 2 - since.milliseconds) : nil
            case .busy: return self == .any ? (id, .max) : nil
            case .draining: return nil
            }
        }
        candidates.sort { $0.order < $1.order }
        return candidates.prefix(count).map(\.id)
    }
}

extension VariantObservation {
    /// Workers that do not drain.
    var serving: Int { workers.count { !$0.isDraining } }
    var limits: ClosedRange<Int> { scaling.min...max(scaling.min, scaling.max) }

    /// The decision for so many workers. The limits hold at once, whatever pace has led here.
    func decision(for wanted: Int, _ scaleIn: ScaleIn, lookAgainAt: Timestamp? = nil, reason: String) -> ScalingDecision {
        let wanted = wanted.clamped(to: limits)
        let drain = scaleIn.drain(serving - wanted, of: workers)
        return ScalingDecision(
            desired: max(wanted, serving - drain.count), drain: drain, lookAgainAt: lookAgainAt, reason: reason)
    }
}

extension Int {
    func clamped(to range: ClosedRange<Int>) -> Int { Swift.min(Swift.max(self, range.lowerBound), range.upperBound) }
}
