import MillraceCore
import MillraceWire

/// Fleets, decisions and costs in words.
enum ScalingText {
    /// `4.1 s of 63 s (provisioning 0.1 s, process 0.1 s, model load 60 s, warm-up 3 s)`.
    static func coldStart(_ start: ColdStartResource) -> String {
        let phases = [
            ("provisioning", start.provisioningSeconds), ("process", start.processSeconds), ("model fetch", start.modelFetchSeconds),
            ("model load", start.modelLoadSeconds), ("warm-up", start.warmUpSeconds),
        ].compactMap { name, took in took.flatMap { $0 > 0 ? "\(name) \(seconds($0))" : nil } }
        let waited = start.waitedSeconds.map { "waited \(seconds($0))" }
        let total = start.totalSeconds.map { "took \(seconds($0))" }
        let words = [waited, total].compactMap(\.self).joined(separator: ", ")
        return words + (phases.isEmpty ? "" : ": " + phases.joined(separator: ", "))
    }

    /// To the hundredth where it is short: a cold start is worth looking at closely.
    static func seconds(_ value: Double) -> String {
        value < 9.95 ? "\(Quantities.number(value, digits: 2)) s" : Quantities.duration(.seconds(value))
    }

    /// Two digits, more where there would be nothing else.
    static func money(_ amount: Double) -> String {
        amount == 0 || amount >= 0.1 ? Quantities.number(amount, digits: 2) : Quantities.number(amount, digits: 6)
    }

    static func hours(_ value: Double) -> String { Quantities.number(value, digits: 2) }

    static func fleets(_ list: FleetList, now: Timestamp) -> Table {
        var table = Table([
            .init("ENDPOINT"), .init("STATE"), .init("WANTED", right: true), .init("HAVE", right: true), .init("BUSY", right: true),
            .init("STARTING", right: true), .init("DRAINING", right: true), .init("LIMITS", right: true), .init("POLICY"),
            .init("GPU-H TODAY", right: true), .init("COST TODAY", right: true),
        ])
        table.rows = list.fleets.map { fleet in
            let status = fleet.status
            let hours = hours(fleet.gpuHoursToday) + (status.budget?.gpuHoursPerDayMax.map { " of \(Self.hours($0))" } ?? "")
            return [
                status.endpoint, state(status.state), "\(status.wanted)", "\(status.have)", "\(status.busy)", "\(status.starting)",
                "\(status.draining)", "\(fleet.min)-\(fleet.max)", fleet.policy, hours,
                fleet.costToday.map { "\(money($0)) \(list.currency)" } ?? "",
            ]
        }
        return table
    }

    static func state(_ state: FleetStatus.State) -> String {
        switch state {
        case .outOfCapacity: "out of capacity"
        case .backingOff: "backing off"
        case .overBudget: "over budget"
        case .asleep, .steady, .starting, .draining, .failing: state.rawValue
        }
    }

    /// What there is to say of a fleet beside its numbers.
    static func remarks(_ list: FleetList, now: Timestamp) -> [String] {
        list.fleets.flatMap { fleet -> [String] in
            let status = fleet.status
            let next = status.nextStartAt.map { $0 > now ? "; the next start is tried in \(Quantities.duration($0.since(now)))" : "" } ?? ""
            return [
                status.cause.map { "\(status.endpoint): \(state(status.state)) (\(Quantities.age(now.since(status.since)))): \($0)\(next)" },
                status.lastDecision.map { "\(status.endpoint): last decision \(Quantities.age(now.since($0.at))): \(change($0)): \($0.reason)" },
            ].compactMap { $0.map { TerminalText.safe($0.replacing("\n", with: " ")) } }
        }
    }

    static func change(_ record: ScalingRecord) -> String {
        record.from == record.to ? "\(record.kind.rawValue) at \(record.from)" : "\(record.from) to \(record.to)"
    }

    static func decisions(_ records: [ScalingRecord]) -> Table {
        var table = Table([.init("TIME"), .init("ENDPOINT"), .init("KIND"), .init("FROM", right: true), .init("TO", right: true), .init("REASON", flexible: true)])
        table.rows = records.map { [$0.at.description, $0.endpoint, $0.kind.rawValue, "\($0.from)", "\($0.to)", $0.reason.replacing("\n", with: " ")] }
        return table
    }

    static func starts(_ starts: [ColdStartResource]) -> Table {
        var table = Table([
            .init("WANTED"), .init("ENDPOINT"), .init("TOTAL", right: true), .init("PROVISIONING", right: true), .init("PROCESS", right: true),
            .init("FETCH", right: true), .init("LOAD", right: true), .init("WARM-UP", right: true), .init("INSTANCE", flexible: true),
        ])
        table.rows = starts.map { start in
            func cell(_ value: Double?) -> String { value.map(seconds) ?? "" }
            return [
                start.wantedAt?.description ?? "", start.endpoint, start.totalSeconds.map(seconds) ?? "not ready", cell(start.provisioningSeconds),
                cell(start.processSeconds), cell(start.modelFetchSeconds), cell(start.modelLoadSeconds), cell(start.warmUpSeconds), start.instance,
            ]
        }
        return table
    }

    static func cost(_ report: CostReport) -> Table {
        var table = Table([
            .init("DAY"), .init("ENDPOINT"), .init("GPU-H USED", right: true), .init("BUSY", right: true), .init("IDLE", right: true),
            .init("SAVED", right: true), .init("JOBS", right: true), .init("COST", right: true), .init("PER JOB", right: true),
        ])
        table.rows = (report.lines + [report.total]).map { line in
            [
                line.day?.description ?? "total", line.endpoint ?? "", hours(line.gpuHoursUsed), hours(line.gpuHoursBusy), hours(line.gpuHoursIdle),
                hours(line.gpuHoursSaved), "\(line.jobs)", line.cost.map { "\(money($0)) \(report.currency)" } ?? "", line.costPerJob.map(money) ?? "",
            ]
        }
        return table
    }
}
