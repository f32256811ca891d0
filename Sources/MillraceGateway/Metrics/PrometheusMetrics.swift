import CoreMetrics
import MillraceQueue
import Synchronization

/// Collects the process's metrics for `/metrics`: `MetricsSystem.bootstrap(prometheus)`.
///
/// Counters end in `_total`; timers become histograms in seconds; recorders become histograms, or gauges when they do not
/// aggregate. A metric keeps ``seriesMax`` sets of labels; what comes after that is counted under `overflow="true"`, so that no
/// client can fill the memory.
public final class PrometheusMetrics: MetricsFactory {
    static let seriesMax = 500

    struct Key: Hashable {
        var name: String
        var labels: [String: String]
    }
    /// A metric as a caller names it.
    private struct Call: Hashable {
        var label: String
        var suffix: String
        var dimensions: [String]
    }
    private struct State {
        /// What was called for before: to make a key again for each event would cost more than to count it.
        var known: [Call: PrometheusSeries] = [:]
        var series: [Key: PrometheusSeries] = [:]
        var counts: [String: Int] = [:]
    }
    private let state = Mutex(State())
    private let help: [String: String]

    /// - Parameter help: what metrics mean, by name; those of the queue and the gateway are known.
    public init(help: [String: String] = [:]) {
        let known = QueueMetric.allCases.map { ($0.rawValue, $0.help) } + GatewayMetric.allCases.map { ($0.rawValue, $0.help) }
        self.help = help.merging(known) { own, _ in own }
    }

    /// The metrics in text format 0.0.4, but for those `without`.
    func exposition(without excluded: Set<String> = []) -> String {
        let series = state.withLock { $0.series }.filter { !excluded.contains($0.key.name) }
        var text = PrometheusText()
        for (name, group) in Dictionary(grouping: series, by: \.key.name).sorted(by: { $0.key < $1.key }) {
            guard let kind = group.first?.value.kind else { continue }
            text.begin(name, kind, help: help[name])
            for (key, series) in group.sorted(by: { PrometheusText.labels($0.key.labels) < PrometheusText.labels($1.key.labels) }) {
                series.write(to: &text, name: name, labels: key.labels)
            }
        }
        return text.description
    }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, suffix: "_total", dimensions) { .counter() }
    }

    public func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        series(label, suffix: "_total", dimensions) { .counter() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, suffix: "", dimensions) { .gauge() }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        series(label, suffix: "", dimensions) { aggregate ? .histogram(bounds: PrometheusSeries.sizes) : .gauge() }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, suffix: "_seconds", dimensions) { .histogram(bounds: PrometheusSeries.seconds) }
    }

    // A series lives as long as the process: short-lived handles of the same name must find it again.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    private func series(
        _ label: String, suffix: String, _ dimensions: [(String, String)], make: () -> PrometheusSeries
    ) -> PrometheusSeries {
        let call = Call(label: label, suffix: suffix, dimensions: dimensions.flatMap { [$0.0, $0.1] })
        if let known = state.withLock({ $0.known[call] }) { return known }
        var name = PrometheusText.name(label)
        if !name.hasSuffix(suffix) { name += suffix }
        let labels = Dictionary(dimensions.map { (PrometheusText.name($0.0), $0.1) }, uniquingKeysWith: { _, last in last })
        return state.withLock { state in
            let found = Self.series(name, labels, in: &state, make)
            if state.known.count < Self.callsMax { state.known[call] = found }
            return found
        }
    }

    private static let callsMax = 4096

    private static func series(
        _ name: String, _ labels: [String: String], in state: inout State, _ make: () -> PrometheusSeries
    ) -> PrometheusSeries {
        var key = Key(name: name, labels: labels)
        if let known = state.series[key] { return known }
        if state.counts[name, default: 0] >= seriesMax { key.labels = ["overflow": "true"] }
        if let known = state.series[key] { return known }
        let made = make()
        state.series[key] = made
        state.counts[name, default: 0] += 1
        return made
    }
}
