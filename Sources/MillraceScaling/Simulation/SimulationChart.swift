import Foundation

/// Charts of simulations as SVG that stands alone, in light and in dark.
public enum SimulationChart {
    private static let width = 720.0
    private static let style = """
        <style>svg{font:12px system-ui,sans-serif} .wait,.line{fill:none;stroke-width:1.5} .leader{fill:none;stroke:#8794a1;stroke-width:.7}
        text{fill:#1f2933} .soft{fill:#8794a1} .grid{stroke:#e4e8ec} .busy,.dot{fill:#2f6f8f} .idle{fill:#f0b55b} .start,.mark{fill:#d98a7a}
        .wait{stroke:#8a4f9e} .line{stroke:#2f6f8f}
        @media (prefers-color-scheme:dark){text{fill:#e6eaee} .soft{fill:#8b97a3} .grid{stroke:#2c343c} .busy,.dot{fill:#5aa7cc} .idle{fill:#d9a048} .start,.mark{fill:#c77767}
        .wait{stroke:#bb86cf} .line{stroke:#5aa7cc}}
        </style>
        """

    private static func svg(height: Double, title: String, _ body: String) -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(text(width)) \(text(height))" role="img" aria-label="\(escaped(title))">\
        \(style)\(body)</svg>
        """
    }

    // MARK: Over time

    /// Workers by what they do, stacked, and how many jobs wait (a line with a scale of its own).
    public static func timeline(of report: SimulationReport) -> String {
        let (left, right, top, bottom) = (44.0, 44.0, 26.0, 150.0)
        let timeline = report.timeline
        let columns = Double(max(timeline.intervals.count, 1))
        func x(_ index: Int) -> Double { left + (width - left - right) * Double(index) / columns }
        let workers = timeline.intervals.map { ($0.busy + $0.draining + $0.idle + $0.starting) / timeline.width }.max() ?? 0
        let workersMax = nice(max(workers, 1))
        let waitingMax = nice(Double(max(timeline.intervals.map(\.waitingMost).max() ?? 0, 1)))
        func y(_ share: Double) -> Double { bottom - (bottom - top) * share }
        func area(_ kind: String, from: (Timeline.Interval) -> Double, to: (Timeline.Interval) -> Double) -> String {
            var path = ""
            for (index, interval) in timeline.intervals.enumerated() {
                let level = y(to(interval) / timeline.width / workersMax)
                path += "\(index == 0 ? "M" : "L")\(text(x(index))) \(text(level))L\(text(x(index + 1))) \(text(level))"
            }
            for (index, interval) in timeline.intervals.enumerated().reversed() {
                let level = y(from(interval) / timeline.width / workersMax)
                path += "L\(text(x(index + 1))) \(text(level))L\(text(x(index))) \(text(level))"
            }
            return "<path class=\"\(kind)\" d=\"\(path)Z\"/>"
        }
        var body = "<text x=\"\(text(left))\" y=\"15\" font-weight=\"600\">\(escaped(report.policy))</text>"
        for share in [0, 0.5, 1.0] {
            body += "<path class=\"grid\" d=\"M\(text(left)) \(text(y(share)))H\(text(width - right))\"/>"
            body += "<text class=\"soft\" x=\"\(text(left - 6))\" y=\"\(text(y(share) + 4))\" text-anchor=\"end\">\(short(workersMax * share))</text>"
            body += "<text class=\"soft\" x=\"\(text(width - right + 6))\" y=\"\(text(y(share) + 4))\">\(short(waitingMax * share))</text>"
        }
        body += area("busy", from: { _ in 0 }, to: { $0.busy + $0.draining })
        body += area("idle", from: { $0.busy + $0.draining }, to: { $0.busy + $0.draining + $0.idle })
        body += area("start", from: { $0.busy + $0.draining + $0.idle }, to: { $0.busy + $0.draining + $0.idle + $0.starting })
        let line = timeline.intervals.enumerated().map { index, interval in
            "\(index == 0 ? "M" : "L")\(text(x(index))) \(text(y(Double(interval.waitingMost) / waitingMax)))"
        }.joined()
        body += "<path class=\"wait\" d=\"\(line)\"/>"
        let span = timeline.width * columns
        for share in [0, 0.25, 0.5, 0.75, 1.0] {
            body += "<text class=\"soft\" x=\"\(text(left + (width - left - right) * share))\" y=\"166\" text-anchor=\"middle\">\(Words.seconds(span * share))</text>"
        }
        body += legend([("busy", "busy"), ("idle", "idle"), ("start", "starting"), ("wait", "most jobs waiting (right scale)")], y: 15)
        return svg(height: 176, title: "Workers over time, \(report.policy)", body)
    }

    // MARK: Wait against cost

    /// Each policy as a point: idle hours against the wait that 95 % of jobs stay under, both on logarithmic scales; points of one
    /// name's knob are joined.
    public static func tradeoff(_ curve: [SimulationReport], _ others: [SimulationReport]) -> String {
        let (left, right, top, bottom) = (60.0, 20.0, 26.0, 290.0)
        func wait(_ report: SimulationReport) -> Double { max(1, report.waits.percentile(0.95)) }
        func idle(_ report: SimulationReport) -> Double { max(0.01, report.idleHours) }
        let all = curve + others
        let (xs, ys) = (axis(all.map(idle)), axis(all.map(wait)))
        func x(_ value: Double) -> Double { left + (width - left - right) * (log10(value) - xs.low) / (xs.high - xs.low) }
        func y(_ value: Double) -> Double { bottom - (bottom - top) * (log10(value) - ys.low) / (ys.high - ys.low) }
        var body = "<text x=\"\(text(left))\" y=\"15\" font-weight=\"600\">p95 wait against idle worker-hours</text>"
        for value in ticks(xs) {
            body += "<path class=\"grid\" d=\"M\(text(x(value))) \(text(top))V\(text(bottom))\"/>"
            body += "<text class=\"soft\" x=\"\(text(x(value)))\" y=\"\(text(bottom + 16))\" text-anchor=\"middle\">\(short(value)) h</text>"
        }
        for value in ticks(ys) {
            body += "<path class=\"grid\" d=\"M\(text(left)) \(text(y(value)))H\(text(width - right))\"/>"
            body += "<text class=\"soft\" x=\"\(text(left - 6))\" y=\"\(text(y(value) + 4))\" text-anchor=\"end\">\(Words.seconds(value))</text>"
        }
        let points = curve.sorted { idle($0) < idle($1) }
        if points.count > 1 {
            let line = points.enumerated().map { "\($0 == 0 ? "M" : "L")\(text(x(idle($1)))) \(text(y(wait($1))))" }.joined()
            body += "<path class=\"line\" d=\"\(line)\"/>"
        }
        // Labels of a long knob would hide it.
        let labelled = (points.count < 12 ? points : []) + others
        let marks = (points.map { ($0, "dot") } + others.map { ($0, "mark") }).map { report, kind in (report.policy, kind, (x: x(idle(report)), y: y(wait(report)))) }
        for (policy, kind, centre) in marks { body += dot(policy, kind, centre) }
        var places = LabelPlaces(in: .init(left: left, right: width, top: top, bottom: bottom), points: marks.map(\.2))
        for report in labelled {
            let centre = (x: x(idle(report)), y: y(wait(report)))
            if let place = places.place(report.policy, at: centre) { body += label(report.policy, place, of: centre) }
        }
        return svg(height: 316, title: "p95 wait against idle worker-hours", body)
    }

    /// Its name shows where a pointer rests on it, whether or not there is a place for a label.
    private static func dot(_ policy: String, _ kind: String, _ centre: (x: Double, y: Double)) -> String {
        "<circle class=\"\(kind)\" cx=\"\(text(centre.x))\" cy=\"\(text(centre.y))\" r=\"4\"><title>\(escaped(policy))</title></circle>"
    }

    private static func label(_ policy: String, _ place: LabelPlaces.Place, of centre: (x: Double, y: Double)) -> String {
        let isRight = place.x > centre.x
        let leader =
            place.isFar ? "<path class=\"leader\" d=\"M\(text(centre.x)) \(text(centre.y))L\(text(isRight ? place.x : centre.x - 8)) \(text(place.y - 4))\"/>" : ""
        return "\(leader)<text x=\"\(text(isRight ? place.x : centre.x - 8))\" y=\"\(text(place.y))\" text-anchor=\"\(isRight ? "start" : "end")\">\(escaped(policy))</text>"
    }

    private static func axis(_ values: [Double]) -> (low: Double, high: Double) {
        let (low, high) = (log10(values.min() ?? 1), log10(values.max() ?? 1))
        let margin = max(0.15, (high - low) * 0.06)
        return (low - margin, high + margin)
    }

    private static func ticks(_ axis: (low: Double, high: Double)) -> [Double] {
        let steps: [Double] = axis.high - axis.low > 2.5 ? [1] : [1, 2, 5]
        return (Int(axis.low) - 1...Int(axis.high) + 1).flatMap { power in steps.map { $0 * pow(10, Double(power)) } }
            .filter { log10($0) >= axis.low && log10($0) <= axis.high }
    }

    // MARK: Small things

    private static func legend(_ entries: [(kind: String, label: String)], y: Double) -> String {
        var x = width - 44
        return entries.reversed().map { entry in
            x -= Double(entry.label.count) * 6.4
            let label = "<text class=\"soft\" x=\"\(text(x))\" y=\"\(text(y))\">\(entry.label)</text>"
            x -= 14
            let mark = entry.kind == "wait"
                ? "<path class=\"wait\" d=\"M\(text(x)) \(text(y - 4))h10\"/>" : "<rect class=\"\(entry.kind)\" x=\"\(text(x))\" y=\"\(text(y - 9))\" width=\"10\" height=\"10\"/>"
            x -= 12
            return mark + label
        }.joined()
    }

    private static func nice(_ value: Double) -> Double {
        let power = pow(10, (log10(value)).rounded(.down))
        return [1, 2, 4, 5, 10].map { $0 * power }.first { $0 >= value } ?? value
    }

    private static func short(_ value: Double) -> String { Words.number(value) }

    private static func text(_ value: Double) -> String {
        let rounded = (value * 10).rounded() / 10
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
