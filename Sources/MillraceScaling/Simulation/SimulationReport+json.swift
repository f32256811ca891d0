import MillraceCore

extension SimulationReport {
    /// Times in seconds, hours in worker-hours.
    public func json(withTimeline: Bool = true) -> JSONValue {
        var fields: [String: JSONValue] = [
            "policy": .string(policy), "jobs": number(accepted), "finished": number(finished), "unfinished": number(unfinished),
            "lost": number(lost), "doubled": number(doubled), "busyKills": number(busyKills), "interruptions": number(interruptions),
            "givenBack": number(givenBack), "starts": number(starts), "coldStarts": number(coldStarts), "refusals": number(refusals),
            "decisions": number(decisions), "wait": Self.json(of: waits), "turnaround": Self.json(of: turnarounds),
            "start": Self.json(of: startTimes), "workerHours": .number(workerHours), "workedHours": .number(workedSeconds / 3600),
            "idleHours": .number(idleHours), "utilisation": .number(utilisation), "cost": .number(cost), "endedAt": .number(endedAt),
        ]
        if withTimeline { fields["timeline"] = timeline.json }
        return .object(fields)
    }

    private func number(_ value: Int) -> JSONValue { .integer(Int64(value)) }

    private static func json(of tally: Tally) -> JSONValue {
        .object([
            "mean": .number(tally.mean), "p50": .number(tally.percentile(0.5)), "p90": .number(tally.percentile(0.9)),
            "p95": .number(tally.percentile(0.95)), "p99": .number(tally.percentile(0.99)), "max": .number(tally.most),
        ])
    }
}

extension Timeline {
    /// For each interval: arrivals, the mean number of workers in each state, of waiting jobs, and the most that waited.
    var json: JSONValue {
        func list(_ value: (Interval) -> Double) -> JSONValue { .array(intervals.map { .number((value($0) * 1000).rounded() / 1000) }) }
        return .object([
            "seconds": .number(width), "arrivals": list { Double($0.arrivals) }, "starting": list { $0.starting / width },
            "busy": list { ($0.busy + $0.draining) / width }, "idle": list { $0.idle / width }, "waiting": list { $0.waiting / width },
            "waitingMost": list { Double($0.waitingMost) },
        ])
    }
}
