import MillraceCore

/// What a fleet's budget still allows.
struct BudgetGuard: Sendable, Equatable {
    var use: BudgetUse
    /// More must not serve; `nil`: no limit. Zero once the day's hours are used up.
    var workersMax: Int?
    /// What is nearly or entirely used up, in words.
    var cause: String?
    /// What to warn of, each once a day.
    var warnings: [Warning] = []
    /// When it looks different if nobody does anything: the cap is reached, or the day ends.
    var changesAt: Timestamp?

    struct Warning: Sendable, Equatable {
        /// Which budget.
        var key: String
        var words: String
    }

    /// - Parameters:
    ///   - usedSeconds: of workers, since midnight in UTC.
    ///   - workers: that are there now, whatever they do.
    init(_ scaling: ScalingConfiguration, usedSeconds: Double, workers: Int, at now: Timestamp) {
        let budget = scaling.budget
        let hours = usedSeconds / 3600
        use = BudgetUse(
            gpuHoursToday: hours, gpuHoursPerDayMax: budget.gpuHoursPerDayMax, costPerHour: scaling.price.map { $0 * Double(workers) },
            costPerHourMax: budget.costPerHourMax)
        if let max = budget.gpuHoursPerDayMax { guardDay(hours, max, budget.warnAt, workers, now) }
        if let max = budget.costPerHourMax, let price = scaling.price, price > 0 { guardRate(price, max, budget.warnAt, workers) }
    }

    private mutating func guardDay(_ hours: Double, _ max: Double, _ warnAt: Double, _ workers: Int, _ now: Timestamp) {
        // Counting ends a moment before or after the cap; what is closer than a second counts as reached.
        if hours >= max - 1 / 3600 {
            use.state = .reached
            workersMax = 0
            cause = "the budget of \(max.shown) GPU-hours a day is used up until midnight UTC"
            changesAt = Day(of: now).end
            return
        }
        if hours >= max * warnAt {
            use.state = .warning
            let words = "\(hours.shown) of \(max.shown) GPU-hours of today are used"
            cause = words
            warnings.append(Warning(key: "day", words: words))
        }
        guard workers > 0 else { return }
        let next = hours >= max * warnAt ? max : max * warnAt
        changesAt = min(now + .milliseconds(Int64((next - hours) / Double(workers) * 3_600_000) + 1), Day(of: now).end)
    }

    private mutating func guardRate(_ price: Double, _ max: Double, _ warnAt: Double, _ workers: Int) {
        // The price may divide it evenly in everything but binary.
        let affordable = Int((max / price + 1e-9).rounded(.down))
        workersMax = min(workersMax ?? affordable, affordable)
        guard use.state != .reached else { return }
        if workers >= affordable {
            let words = "\(max.shown) an hour pay for \(affordable) \(affordable == 1 ? "worker" : "workers") at \(price.shown) each"
            cause = words
            use.state = .reached
            // Where all come at once there is no moment before.
            warnings.append(Warning(key: "rate", words: words))
        } else if workers > 0, Double(workers) * price >= max * warnAt || workers + 1 == affordable {
            // Where few are affordable no number of them may lie between the warning and the cap.
            let words = "\(workers) \(workers == 1 ? "worker costs" : "workers cost") \((Double(workers) * price).shown) of \(max.shown) an hour"
            cause = cause ?? words
            use.state = .warning
            warnings.append(Warning(key: "rate", words: words))
        }
    }
}

extension Double {
    /// With two digits at most.
    var shown: String {
        let scaled = (self * 100).rounded()
        guard scaled.isFinite, abs(scaled) < 1e15 else { return "\(self)" }
        let (whole, rest) = Int(abs(scaled)).quotientAndRemainder(dividingBy: 100)
        let fraction = rest == 0 ? "" : rest % 10 == 0 ? ".\(rest / 10)" : rest < 10 ? ".0\(rest)" : ".\(rest)"
        return (scaled < 0 ? "-" : "") + "\(whole)" + fraction
    }
}
