/// One HTML file with everything in it, for a browser without a network.
public enum SimulationPage {
    /// - Parameters:
    ///   - subject: what was simulated, in words.
    ///   - curve: reports of the default policy with different targets; `others` of other policies.
    public static func html(subject: String, curve: [SimulationReport], others: [SimulationReport]) -> String {
        let all = curve + others
        let shown = all.count <= 8 ? all : Array(others.prefix(4)) + spread(curve, 4)
        return """
            <!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>millrace simulate</title>
            <style>
            :root{color-scheme:light dark;--ink:#1f2933;--paper:#fff;--soft:#66727f;--line:#e4e8ec}
            @media (prefers-color-scheme:dark){:root{--ink:#e6eaee;--paper:#14181c;--soft:#8b97a3;--line:#2c343c}}
            body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:66rem;margin:2rem auto;padding:0 1rem}
            h1{font-size:1.4rem} p{color:var(--soft)} table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
            th,td{padding:.35rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)} th:first-child,td:first-child{text-align:left}
            .wide{overflow-x:auto} svg{width:100%;height:auto;margin:.6rem 0}
            </style>
            <h1>What if</h1><p>\(SimulationChart.escaped(subject))</p>
            <div class="wide">\(table(all))</div>
            \(all.count > 1 ? SimulationChart.tradeoff(curve, others) : "")
            \(shown.map { SimulationChart.timeline(of: $0) }.joined(separator: "\n"))
            <p>Idle hours are the hours paid for, start included, beyond the hours worked. Waits are from a job's acceptance to its start.</p>
            </html>
            """
    }

    private static func spread(_ reports: [SimulationReport], _ count: Int) -> [SimulationReport] {
        guard reports.count > count else { return reports }
        return (0..<count).map { reports[$0 * (reports.count - 1) / (count - 1)] }
    }

    private static func table(_ reports: [SimulationReport]) -> String {
        let head = ["policy", "wait p50", "p95", "p99", "turnaround p95", "cold starts", "worker-hours", "idle", "used", "cost"]
        let rows = reports.map { report in
            [
                SimulationChart.escaped(report.policy), Words.seconds(report.waits.percentile(0.5)), Words.seconds(report.waits.percentile(0.95)),
                Words.seconds(report.waits.percentile(0.99)), Words.seconds(report.turnarounds.percentile(0.95)), "\(report.coldStarts)",
                Words.number(report.workerHours), Words.number(report.idleHours), "\(Words.number(report.utilisation * 100)) %", Words.number(report.cost),
            ]
        }
        func row(_ cells: [String], _ tag: String) -> String { "<tr>" + cells.map { "<\(tag)>\($0)</\(tag)>" }.joined() + "</tr>" }
        return "<table>" + row(head, "th") + rows.map { row($0, "td") }.joined() + "</table>"
    }
}
