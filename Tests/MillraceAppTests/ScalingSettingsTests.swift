import Foundation
import MillraceApp
import MillraceCore
import Testing

@Suite struct ScalingSettingsTests {
    private func load(_ scaling: String, top: String = "") throws -> Settings {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-scaling-\(UInt64.random(in: 0...UInt64.max))")
        try FileManager.default.createDirectory(at: folder.appendingPathComponent("model"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("name: e\nrunner: echo\n".utf8).write(to: folder.appendingPathComponent("model/model.yaml"))
        let file = folder.appendingPathComponent("millrace.yaml")
        try Data("\(top)\nendpoints:\n  e: { model: model, scaling: \(scaling) }\n".utf8).write(to: file)
        return try SettingsLoader.load(flags: .init(file: file.path), environment: [:])
    }

    private func scaling(_ text: String) throws -> ScalingConfiguration { try #require(try load(text).endpoints.first).scaling }

    private func fault(_ scaling: String) -> String {
        do { return "no fault: \(try load(scaling))" } catch { return (error as? MillraceError)?.message ?? "\(error)" }
    }

    @Test func `everything under scaling is read`() throws {
        let scaling = try scaling(
            """
            { min: 1, max: 6, policy: { targetWait: 5s }, idle: 45s, up: { stabilization: 10s, workersMax: 2 }, down: { stabilization: 5m }, \
            schedule: [ { from: "08:00", to: "18:30", days: [mon, fri], timeZone: Europe/Berlin, min: 2 }, { from: "22:00", to: "06:00", min: 0 } ], \
            budget: { gpuHoursPerDayMax: 40, costPerHourMax: 12.5, warnAt: 0.9 }, price: 1.20 }
            """)
        #expect(scaling.min == 1 && scaling.max == 6 && scaling.idle == .seconds(45) && scaling.policy == .targetWait(.seconds(5)))
        #expect(scaling.up == .init(stabilization: .seconds(10), workersMax: 2) && scaling.down == .init(stabilization: .seconds(300)))
        #expect(scaling.schedule.first == .init(from: 480, until: 1110, days: [.mon, .fri], timeZone: "Europe/Berlin", min: 2))
        #expect(scaling.schedule.last == .init(from: 1320, until: 360, min: 0))
        #expect(scaling.budget.gpuHoursPerDayMax == 40 && scaling.budget.costPerHourMax == 12.5 && scaling.budget.warnAt == 0.9)
        #expect(scaling.price == 1.2)
    }

    @Test func `one endpoint's scaling is read without its model, and its faults are told`() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(UInt64.random(in: 0...UInt64.max)).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        let text = "port: 9000\nendpoints:\n  a: { model: nowhere, scaling: { max: 3, idle: 45s } }\n  b: { model: nowhere, scaling: { mx: 3 } }\n  c: { model: m }\n"
        try Data(text.utf8).write(to: file)
        let scaling = try SettingsLoader.scaling(of: "a", in: file.path)
        #expect(scaling.max == 3 && scaling.idle == .seconds(45))
        #expect(try SettingsLoader.scaling(of: "c", in: file.path) == ScalingConfiguration())
        let faulty = #expect(throws: MillraceError.self) { try SettingsLoader.scaling(of: "b", in: file.path) }
        #expect(faulty?.message.contains("\"endpoints.b.scaling.mx\"") == true, "\(faulty as Any)")
        let missing = #expect(throws: MillraceError.self) { try SettingsLoader.scaling(of: "d", in: file.path) }
        #expect(missing?.hint == "it has a, b, c")
    }

    @Test func `each policy is named by its knob, and max follows what names more workers`() throws {
        #expect(try scaling("{ policy: { backlogPerWorker: 5 } }").policy == .backlogPerWorker(5))
        let steps = try scaling("{ policy: { step: [ { from: 101, workers: 2 }, { from: 1, workers: 1 } ] } }")
        #expect(steps.policy == .step([.init(from: 1, workers: 1), .init(from: 101, workers: 2)]) && steps.max == 2)
        let always = try scaling("{ policy: { always: 3 } }")
        #expect(always.policy == .always(3) && always.max == 3)
        #expect(try scaling("{ targetWait: 7s }").policy == .targetWait(.seconds(7)), "as it was written before")
    }

    @Test(arguments: [
        ("{ policy: { targetWiat: 5s } }", "did you mean \"targetWait\"?"),
        ("{ policy: { targetWait: 5s, always: 1 } }", "names several policies (targetWait, always): one decides"),
        ("{ policy: { step: [ { from: 1, workers: 2 }, { from: 5, workers: 1 } ] } }", "fewer workers (1) than before (2)"),
        ("{ policy: { step: [] } }", "\"endpoints.e.scaling.policy.step\" has no step"),
        ("{ policy: {} }", "\"endpoints.e.scaling.policy\" names no policy: one of targetWait"),
        ("{ targetWait: 5s, policy: { targetWait: 7s } }", "\"endpoints.e.scaling.policy.targetWait\" is there twice"),
        ("{ policy: { step: [ { from: 1 } ] } }", "\"endpoints.e.scaling.policy.step[1].workers\" is missing"),
        ("{ max: 2, policy: { always: 3 } }", "\"endpoints.e.scaling.policy.always\" (3) is greater than"),
        ("{ policy: { backlogPerWorker: 0 } }", "must be a number between 0.000001 and 1000000000"),
        ("{ schedule: [ { from: \"8\", to: \"18:00\", min: 1 } ] }", "must be a time of day such as 08:00"),
        ("{ schedule: [ { from: \"08:00\", to: \"08:00\", min: 1 } ] }", "begins and ends at the same time"),
        ("{ schedule: [ { from: \"08:00\", to: \"09:00\", min: 1, timeZone: Europe/Berlni } ] }", "did you mean \"Europe/Berlin\"?"),
        ("{ schedule: [ { from: \"08:00\", to: \"09:00\", min: 1, days: [monday] } ] }", "must be a list of mon, tue"),
        ("{ schedule: [ { from: \"08:00\", to: \"09:00\", min: 1, day: [mon] } ] }", "did you mean \"days\"?"),
        ("{ max: 1, schedule: [ { from: \"08:00\", to: \"09:00\", min: 2 } ] }", "\"endpoints.e.scaling.schedule\" (2) is greater than"),
        ("{ budget: { costPerHourMax: 3 } }", "needs \"endpoints.e.scaling.price\""),
        ("{ budget: { costPerHourMax: 3 }, price: 4 }", "none would ever start"),
        ("{ budget: { warnAt: 2 } }", "must be a share from 0 to 1"),
        ("{ drain: 2d }", "must be a duration of at most 24h, such as 500ms, 20s or 5m, not"),
        ("{ up: { workersMax: 0 } }", "a whole number from 1 to 10000"),
    ])
    func `what cannot be meant is told with its place`(text: String, expected: String) {
        #expect(fault(text).contains(expected), "\(fault(text))")
    }

    @Test func `all faults of scaling are told at once`() {
        let message = fault("{ min: 3, max: 2, policy: { always: 5 }, budget: { costPerHourMax: 3, warnat: 1 }, prise: 2 }")
        for expected in ["(3) is greater than", "policy.always", "needs \"endpoints.e.scaling.price\"", "did you mean \"warnAt\"?", "did you mean \"price\"?"] {
            #expect(message.contains(expected), "\(message)")
        }
    }

    @Test func `slots and currency are the machine's`() throws {
        let settings = try load("{ max: 1 }", top: "currency: EUR\nfleet: { slots: 3, workersPerGPU: 1 }")
        #expect(settings.currency == "EUR" && settings.fleet.slots == 3 && settings.fleet.workersPerGPU == 1)
        #expect(throws: MillraceError.self) { try load("{ max: 1 }", top: "currency: euros") }
    }
}
