import Foundation
import MillraceCore
import Yams

/// Reads `scaling` of an endpoint: limits, policy, paces, schedule, budget and price.
enum ScalingReader {
    static func fill(_ scaling: inout ScalingConfiguration, from reader: inout MappingReader, _ faults: inout Faults) {
        if let value = reader.integer("min", &faults) { scaling.min = value }
        let max = reader.integer("max", &faults, in: 0...10_000)
        if let value = reader.duration("idle", &faults) { scaling.idle = value }
        if let value = reader.duration("drain", &faults, atMost: ScalingConfiguration.drainMax, "24h") { scaling.drain = value }
        let old = reader.duration("targetWait", &faults)
        if let old { scaling.targetWait = old }
        reader.mapping("policy", &faults) { reader, faults in policy(&scaling, from: &reader, &faults, beside: old) }
        reader.mapping("up", &faults) { reader, faults in scaling.up = pace(&reader, &faults) }
        reader.mapping("down", &faults) { reader, faults in scaling.down = pace(&reader, &faults) }
        scaling.schedule = reader.list("schedule", &faults) { reader, faults in minimum(&reader, &faults) }
        if let value = reader.amount("price", &faults) { scaling.price = value }
        reader.mapping("budget", &faults) { reader, faults in budget(&scaling.budget, from: &reader, &faults) }
        if let max { scaling.max = max } else { scaling.max = Swift.max(scaling.max, scaling.workersNamed) }
        check(scaling, reader, &faults)
    }

    /// What each setting alone cannot tell.
    private static func check(_ scaling: ScalingConfiguration, _ reader: MappingReader, _ faults: inout Faults) {
        func notAbove(_ name: String, _ value: Int) {
            guard value > scaling.max else { return }
            faults.add("\"\(reader.full(name))\" (\(value)) is greater than \"\(reader.full("max"))\" (\(scaling.max))")
        }
        notAbove("min", scaling.min)
        if case .always(let workers) = scaling.policy { notAbove("policy.always", workers) }
        if case .step(let steps) = scaling.policy, let most = steps.map(\.workers).max() { notAbove("policy.step", most) }
        if let most = scaling.schedule.map(\.min).max() { notAbove("schedule", most) }
        guard let rate = scaling.budget.costPerHourMax else { return }
        guard let price = scaling.price else {
            return faults.add("\"\(reader.full("budget.costPerHourMax"))\" needs \"\(reader.full("price"))\": what one worker costs in an hour")
        }
        if price > rate {
            faults.add("\"\(reader.full("budget.costPerHourMax"))\" (\(rate)) is less than one worker costs (\(price)): none would ever start")
        }
    }

    private static func policy(
        _ scaling: inout ScalingConfiguration, from reader: inout MappingReader, _ faults: inout Faults, beside old: Duration?
    ) {
        if reader.isEmpty { faults.add("\"\(reader.path)\" names no policy: one of targetWait, step, backlogPerWorker, always") }
        if old != nil, reader.has("targetWait") { faults.add("\"\(reader.full("targetWait"))\" is there twice: remove \"targetWait\" beside \"policy\"") }
        var found: [ScalingConfiguration.PolicyChoice] = []
        var named = old == nil ? [] : ["targetWait"]
        for name in ["targetWait", "step", "backlogPerWorker", "always"] where reader.has(name) && !named.contains(name) { named.append(name) }
        if let wait = reader.duration("targetWait", &faults) { found.append(.targetWait(wait)) }
        let (hasSteps, faultsBefore) = (reader.has("step"), faults.messages.count)
        let steps = reader.list("step", &faults) { reader, faults in step(&reader, &faults) }
        if hasSteps, steps.isEmpty, faults.messages.count == faultsBefore { faults.add("\"\(reader.full("step"))\" has no step") }
        if !steps.isEmpty { found.append(.step(sorted(steps, reader, &faults))) }
        if let jobs = reader.amount("backlogPerWorker", &faults) { found.append(.backlogPerWorker(jobs)) }
        if let workers = reader.integer("always", &faults, in: 0...10_000) { found.append(.always(workers)) }
        if named.count > 1 { faults.add("\"\(reader.path)\" names several policies (\(named.joined(separator: ", "))): one decides") }
        if let policy = found.first { scaling.policy = policy }
    }

    private static func sorted(
        _ steps: [ScalingConfiguration.Step], _ reader: MappingReader, _ faults: inout Faults
    ) -> [ScalingConfiguration.Step] {
        let sorted = steps.sorted { $0.from < $1.from }
        for (low, high) in zip(sorted, sorted.dropFirst()) {
            if low.from == high.from { faults.add("\"\(reader.full("step"))\" has two steps from \(low.from)") }
            if high.workers < low.workers {
                faults.add("\"\(reader.full("step"))\": from \(high.from) waiting jobs on there would be fewer workers (\(high.workers)) than before (\(low.workers))")
            }
        }
        return sorted
    }

    private static func step(_ reader: inout MappingReader, _ faults: inout Faults) -> ScalingConfiguration.Step? {
        let from = reader.required("from", &faults) { reader, faults in reader.integer("from", &faults, in: 0...Int.max) }
        let workers = reader.required("workers", &faults) { reader, faults in reader.integer("workers", &faults, in: 0...10_000) }
        guard let from, let workers else { return nil }
        return .init(from: from, workers: workers)
    }

    private static func pace(_ reader: inout MappingReader, _ faults: inout Faults) -> ScalingConfiguration.Pace {
        .init(
            stabilization: reader.duration("stabilization", &faults) ?? .zero,
            workersMax: reader.integer("workersMax", &faults, in: 1...10_000))
    }

    private static func minimum(_ reader: inout MappingReader, _ faults: inout Faults) -> ScalingConfiguration.ScheduledMinimum? {
        let what = "a time of day such as 08:00 (up to 24:00), in quotes"
        let from = reader.required("from", &faults) { reader, faults in reader.value("from", what, &faults) { $0.scalar.flatMap { minutes($0.string) } } }
        let until = reader.required("to", &faults) { reader, faults in reader.value("to", what, &faults) { $0.scalar.flatMap { minutes($0.string) } } }
        let min = reader.required("min", &faults) { reader, faults in reader.integer("min", &faults, in: 0...10_000) }
        let days = reader.value("days", "a list of mon, tue, wed, thu, fri, sat, sun", &faults) { node in
            node.sequence.flatMap { list -> Set<ScalingConfiguration.Weekday>? in
                let days = list.compactMap { $0.scalar.flatMap { ScalingConfiguration.Weekday(rawValue: $0.string) } }
                return days.count == list.count && !days.isEmpty ? Set(days) : nil
            }
        }
        let zone = timeZone(&reader, &faults)
        guard let from, let until, let min else { return nil }
        guard from != until else {
            faults.add("\"\(reader.path)\" begins and ends at the same time; for all day: from \"00:00\" to \"24:00\"")
            return nil
        }
        return .init(from: from, until: until, days: days ?? Set(ScalingConfiguration.Weekday.allCases), timeZone: zone, min: min)
    }

    private static func timeZone(_ reader: inout MappingReader, _ faults: inout Faults) -> String {
        guard let name = reader.string("timeZone", &faults) else { return "UTC" }
        if TimeZone(identifier: name) == nil {
            let near = Spelling.nearest(to: name, in: TimeZone.knownTimeZoneIdentifiers).map { "; did you mean \"\($0)\"?" } ?? ""
            faults.add("\"\(reader.full("timeZone"))\": there is no time zone \"\(name)\"\(near)")
        }
        return name
    }

    private static func minutes(_ text: String) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...2).contains(parts[0].count), parts[1].count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]),
            (0...24).contains(hour), (0...59).contains(minute), hour < 24 || minute == 0
        else { return nil }
        return hour * 60 + minute
    }

    private static func budget(_ budget: inout ScalingConfiguration.Budget, from reader: inout MappingReader, _ faults: inout Faults) {
        budget.gpuHoursPerDayMax = reader.amount("gpuHoursPerDayMax", &faults)
        budget.costPerHourMax = reader.amount("costPerHourMax", &faults)
        if let value = reader.value("warnAt", "a share from 0 to 1, such as 0.8", &faults, { $0.float.flatMap { (0...1).contains($0) ? $0 : nil } }) {
            budget.warnAt = value
        }
    }
}

extension ScalingConfiguration {
    /// The most workers that anything but `max` names.
    fileprivate var workersNamed: Int {
        let policy =
            switch policy {
            case .always(let workers): workers
            case .step(let steps): steps.map(\.workers).max() ?? 0
            case .targetWait, .backlogPerWorker: 0
            }
        return Swift.max(min, policy, schedule.map(\.min).max() ?? 0)
    }
}

extension MappingReader {
    /// A number above 0, of a size that can be reckoned with.
    fileprivate mutating func amount(_ key: String, _ faults: inout Faults) -> Double? {
        value(key, "a number between 0.000001 and 1000000000", &faults) { $0.float.flatMap { (1e-6...1e9).contains($0) ? $0 : nil } }
    }

    /// A key that must be there.
    fileprivate mutating func required<Value>(
        _ key: String, _ faults: inout Faults, _ read: (inout MappingReader, inout Faults) -> Value?
    ) -> Value? {
        guard has(key) else {
            faults.add("\"\(full(key))\" is missing")
            return nil
        }
        return read(&self, &faults)
    }

    /// A list of mappings; those that are faulty are left out, and told.
    fileprivate mutating func list<Value>(
        _ key: String, _ faults: inout Faults, _ read: (inout MappingReader, inout Faults) -> Value?
    ) -> [Value] {
        let nodes = value(key, "a list", &faults) { $0.sequence.map(Array.init) } ?? []
        return nodes.enumerated().compactMap { index, node in
            var reader = MappingReader(node, path: "\(full(key))[\(index + 1)]", faults: &faults)
            guard node.mapping != nil else { return nil }
            defer { reader.finish(&faults) }
            return read(&reader, &faults)
        }
    }
}
