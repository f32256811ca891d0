import Foundation

/// How likely a gap ends at each age, in bins of half an octave from a tenth of a second on.
///
/// Kept as hazards (the share of those that reached an age and ended in it), so that many short gaps do not make the few long ones forgotten.
struct GapHistory: Sendable, Codable, Equatable {
    private static let least = 0.1
    private static let count = 46
    private static let remembered = 64.0
    /// What is thought of gaps weighs as if half a gap had been seen (Krichevsky and Trofimov, 1981): a few that were long are enough.
    private static let assumed = 0.5
    private var ended = [Double](repeating: 0, count: Self.count)
    private var reached = [Double](repeating: 0, count: Self.count)

    /// Where each bin begins, and the last one ends.
    private static let limits: [Double] = [0] + (1...count).map { least * pow(2, Double($0) / 2) }

    mutating func note(_ gap: Double) {
        let last = gap <= Self.least ? 0 : Swift.min(Self.count - 1, Int(2 * log2(gap / Self.least)))
        let fade = 1 - 1 / Self.remembered
        for index in 0...last {
            reached[index] = reached[index] * fade + 1
            ended[index] = ended[index] * fade + (index == last ? 1 : 0)
        }
    }

    /// How long to wait for the next need, when waiting costs 1 a second and not being there costs so much: optimal stopping over the
    /// gaps that were. Of ages that were never seen it is thought that a gap is as likely to end in any octave of its age, which alone
    /// makes a ski rental: wait for as long as it costs.
    func patience(cost: Double) -> Double {
        let scale = cost / 8
        let limits = Self.limits
        var toGo = cost
        var patience = Double.infinity
        for index in (0..<Self.count).reversed() {
            let (from, until) = (limits[index], limits[index + 1])
            let prior = 1 - (scale + from) / (scale + until)
            let hazard = (ended[index] + prior * Self.assumed) / (reached[index] + Self.assumed)
            let goOn = (1 - hazard / 2) * (until - from) + (1 - hazard) * toGo
            if goOn < cost {
                toGo = goOn
            } else {
                toGo = cost
                patience = from
            }
        }
        return patience
    }
}
