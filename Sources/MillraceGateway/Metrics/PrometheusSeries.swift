import CoreMetrics
import Synchronization

/// One metric with one set of labels.
final class PrometheusSeries: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler, TimerHandler {
    /// Upper bounds for durations: from a millisecond to an hour.
    static let seconds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600,
    ]
    /// Upper bounds for counts of things: powers of two.
    static let sizes: [Double] = (0...20).map { Double(1 << $0) }

    private struct Histogram {
        var counts: [Int]
        var sum = 0.0
        var count = 0
    }
    private struct State {
        var value = 0.0
        var histogram: Histogram?
    }
    let kind: PrometheusText.Kind
    private let bounds: [Double]
    private let state: Mutex<State>

    private init(_ kind: PrometheusText.Kind, bounds: [Double]) {
        self.kind = kind
        self.bounds = bounds
        state = Mutex(State(histogram: kind == .histogram ? Histogram(counts: Array(repeating: 0, count: bounds.count)) : nil))
    }

    static func counter() -> PrometheusSeries { PrometheusSeries(.counter, bounds: []) }
    static func gauge() -> PrometheusSeries { PrometheusSeries(.gauge, bounds: []) }
    static func histogram(bounds: [Double]) -> PrometheusSeries { PrometheusSeries(.histogram, bounds: bounds) }

    func increment(by amount: Int64) { increment(by: Double(amount)) }
    func increment(by amount: Double) { state.withLock { $0.value += amount } }
    func decrement(by amount: Double) { increment(by: -amount) }
    func reset() { state.withLock { $0.value = 0 } }
    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { state.withLock { $0.value = value } }
    func record(_ value: Int64) { record(Double(value)) }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func record(_ value: Double) {
        state.withLock { state in
            guard state.histogram != nil else { return state.value = value }
            state.histogram?.sum += value
            state.histogram?.count += 1
            if let bucket = bounds.firstIndex(where: { value <= $0 }) { state.histogram?.counts[bucket] += 1 }
        }
    }

    func write(to text: inout PrometheusText, name: String, labels: [String: String]) {
        let now = state.withLock { $0 }
        guard let histogram = now.histogram else { return text.line(name, labels, now.value) }
        var total = 0
        for (bound, count) in zip(bounds, histogram.counts) {
            total += count
            text.line("\(name)_bucket", labels.merging(["le": PrometheusText.number(bound)]) { $1 }, Double(total))
        }
        text.line("\(name)_bucket", labels.merging(["le": "+Inf"]) { $1 }, Double(histogram.count))
        text.line("\(name)_sum", labels, histogram.sum)
        text.line("\(name)_count", labels, Double(histogram.count))
    }
}
