import MillraceCloud
import MillraceCore

/// A fleet under test, and what only its own test can do to it.
public struct FleetSubject: Sendable {
    public var fleet: any Fleet
    /// Makes what is under way go on: time, where it stands still.
    public var advance: @Sendable () async throws -> Void
    /// Ends an instance that runs, as a crash does.
    public var crash: @Sendable (InstanceID) async throws -> Void

    public init(
        _ fleet: any Fleet, advance: @escaping @Sendable () async throws -> Void, crash: @escaping @Sendable (InstanceID) async throws -> Void
    ) {
        self.fleet = fleet
        self.advance = advance
        self.crash = crash
    }
}

/// Opens a new fleet with room for so many instances, for the time of the body.
public typealias FleetFactory = @Sendable (_ room: Int, _ body: @escaping @Sendable (FleetSubject) async throws -> Void) async throws -> Void
public typealias FleetCase = ConformanceCase<FleetFactory>

/// What every fleet promises.
public enum FleetConformance {
    public static let cases: [FleetCase] = [
        promise("the same target twice starts no more than it asks for") { subject in
            try await subject.fleet.reconcile(target(2))
            try await subject.fleet.reconcile(target(2))
            try expectEqual(try await subject.fleet.instances().count, 2, "instances")
        },
        promise("an instance is known from the moment that it was asked for, and runs after a while") { subject in
            try await subject.fleet.reconcile(target(1))
            let asked = try head(of: try await subject.fleet.instances())
            try expectEqual([asked.endpoint, asked.variant], ["ocr", "a"], "whose")
            let running = try await running(subject, 1)
            try expectEqual(running.map(\.id), [asked.id], "the same")
            try expectEqual(running.map(\.startedAt), [asked.startedAt], "when it was asked for")
        },
        promise("a smaller number stops nobody: only who is named goes") { subject in
            try await subject.fleet.reconcile(target(2))
            let before = try await running(subject, 2).map(\.id)
            try await subject.fleet.reconcile(target(0))
            try await subject.advance()
            try expectEqual(try await subject.fleet.instances().map(\.id), before, "instances")
        },
        promise("who is retired ends, as expected, and is not replaced") { subject in
            try await subject.fleet.reconcile(target(2))
            let before = try await running(subject, 2).map(\.id)
            try await subject.fleet.reconcile(target(1, retire: [before[0], "nobody"]))
            try await subject.fleet.reconcile(target(1, retire: [before[0]]))
            let end = try await next(subject)
            try expectEqual(end.instance, before[0], "who")
            guard case .ended(_, let expected, _) = end.reason else { throw ConformanceFailure(description: "not an end: \(end)") }
            try expect(expected, "the end was not expected")
            try expectEqual(try await subject.fleet.instances().map(\.id), [before[1]], "left")
        },
        promise("who ends by itself is told, is gone, and is replaced when asked for") { subject in
            try await subject.fleet.reconcile(target(1))
            let first = try head(of: try await running(subject, 1))
            try await subject.crash(first.id)
            let end = try await next(subject)
            try expectEqual([end.instance, end.endpoint, end.variant], [first.id, "ocr", "a"], "who")
            guard case .ended(_, false, _) = end.reason else { throw ConformanceFailure(description: "not an unexpected end: \(end)") }
            try expectEqual(try await subject.fleet.instances(), [], "left")
            try await subject.fleet.reconcile(target(1))
            try expect(try head(of: try await subject.fleet.instances()).id != first.id, "an instance came back under the same name")
        },
        promise("variants do not touch each other's instances") { subject in
            try await subject.fleet.reconcile(target(1))
            try await subject.fleet.reconcile(target(1, endpoint: "words"))
            let all = try await subject.fleet.instances()
            try expectEqual(Set(all.map(\.endpoint)), ["ocr", "words"], "endpoints")
            try await subject.fleet.reconcile(target(0))
            try expectEqual(try await subject.fleet.instances().count, 2, "instances")
        },
        promise("a fleet that is full starts what it can, retires whom it shall, and says why there are no more") { subject in
            try await subject.fleet.reconcile(target(2))
            let first = try await running(subject, 2)[0].id
            do {
                try await subject.fleet.reconcile(target(4, retire: [first]))
                throw ConformanceFailure(description: "no problem was told")
            } catch let problem as FleetProblem {
                try expectEqual(problem.kind, .capacity, "kind")
                try expect(!problem.message.isEmpty, "no words")
            }
            let end = try await next(subject)
            try expectEqual(end.instance, first, "retired")
            // There is room again.
            try await subject.fleet.reconcile(target(3))
            try expectEqual(try await subject.fleet.instances().count, 3, "instances")
        },
    ]

    /// Fleets of these cases have room for three.
    private static func promise(_ name: String, _ body: @escaping @Sendable (FleetSubject) async throws -> Void) -> FleetCase {
        FleetCase(name) { open in try await open(3, body) }
    }

    private static func target(_ desired: Int, retire: Set<InstanceID> = [], endpoint: String = "ocr") -> FleetTarget {
        FleetTarget(endpoint: endpoint, variant: "a", desired: desired, retire: retire)
    }

    /// Waits until so many instances run.
    private static func running(_ subject: FleetSubject, _ count: Int) async throws -> [FleetInstance] {
        while true {
            let running = try await subject.fleet.instances().filter { $0.phase == .running }
            if running.count >= count { return running }
            try Task.checkCancellation()
            try await subject.advance()
        }
    }

    private static func next(_ subject: FleetSubject) async throws -> FleetInterruption {
        try await subject.advance()
        for await interruption in subject.fleet.interruptions() { return interruption }
        throw ConformanceFailure(description: "the stream of interruptions ended")
    }
}
