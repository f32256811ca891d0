import MillraceCore
import MillraceWire
import Testing

@testable import MillraceApp

@Suite("The crew of a joined machine")
struct CrewTests {
    private let now = Timestamp(milliseconds: 1_800_000_000_000)
    private var crew = Crew(machine: "m", run: "1", slots: .init(cpu: 1, gpus: ["0"]), endpoints: ["ocr"])

    private func order(_ number: String = "1", endpoint: String = "ocr", gpu: String? = nil, machine: String = "m") -> MachineOrders.Worker {
        .init(instance: "joined:\(machine):\(number)", endpoint: endpoint, variant: "a", gpu: gpu, drainSeconds: 60)
    }

    @Test("starts what is ordered once, and stops what is not ordered any more once")
    func follows() {
        var crew = crew
        #expect(crew.follow(.init(workers: [order()]), at: now) == [.start(order())])
        #expect(crew.follow(.init(workers: [order()]), at: now).isEmpty)
        let report = crew.report(waitSeconds: 1)
        #expect(report.workers.map(\.instance) == ["joined:m:1"] && !report.workers[0].isStopping)
        #expect(crew.follow(.init(workers: []), at: now) == [.stop("joined:m:1")])
        #expect(crew.follow(.init(workers: []), at: now).isEmpty && crew.report(waitSeconds: 1).workers[0].isStopping)
        #expect(crew.overdue(at: now + .seconds(60)).isEmpty)
        #expect(crew.overdue(at: now + .seconds(61)) == [.kill("joined:m:1")] && crew.overdue(at: now + .seconds(62)).isEmpty)
    }

    @Test("does nothing that its owner did not allow, or that makes no sense")
    func refuses() {
        var crew = crew
        let strange = [
            order(endpoint: "other"), order("../x"), order("--config"), order(machine: "n"), order(gpu: "7"), order(""), order("a b"),
            .init(instance: "local:1", endpoint: "ocr", variant: "a", gpu: nil, drainSeconds: 1),
            .init(instance: "joined:m:2", endpoint: "ocr", variant: "--socket", gpu: nil, drainSeconds: 1),
            .init(instance: "joined:m:9", endpoint: "ocr", variant: "a", gpu: nil, drainSeconds: .infinity),
        ]
        #expect(crew.follow(.init(workers: strange), at: now).started.isEmpty && crew.isEmpty)
        crew = self.crew
        #expect(crew.follow(.init(workers: [order("1", gpu: "0"), order("2", gpu: "0")]), at: now).started == [order("1", gpu: "0")])
        #expect(crew.follow(.init(workers: [order("1", gpu: "0"), order("3"), order("4")]), at: now).started.count == 1, "no more than there are slots")
    }

    @Test("answers for an order that it does not follow: it has ended before it began, said once, with the reason")
    func answers() {
        var crew = crew
        var order = order()
        order.drainSeconds = 2 * 86_400
        let orders = MachineOrders(workers: [order])
        let why = "it would have 172800.0 s to stop, and 24 h are the most"
        #expect(crew.follow(orders, at: now) == [.refuse(order.instance, why: why)] && crew.follow(orders, at: now).isEmpty)
        let report = crew.report(waitSeconds: 1)
        #expect(report.ended.map(\.status) == ["could not be started: \(why)"] && report.workers.isEmpty)
        crew.wasHeard(report)
        #expect(crew.report(waitSeconds: 1).ended.isEmpty)
    }

    @Test("passes over an order for whose room another still stops, and follows it when that has gone")
    func makesRoom() {
        var crew = crew
        #expect(crew.follow(.init(workers: [order("1", gpu: "0")]), at: now).started.count == 1)
        let orders = MachineOrders(workers: [order("2", gpu: "0")])
        #expect(crew.follow(orders, at: now) == [.stop("joined:m:1")] && crew.report(waitSeconds: 1).ended.isEmpty)
        crew.ended("joined:m:1", status: "exit 0", stderrTail: "", atRisk: [])
        #expect(crew.follow(orders, at: now) == [.start(order("2", gpu: "0"))])
    }

    @Test("does not begin again what ended while the order was on its way")
    func late() {
        var crew = crew
        _ = crew.follow(.init(workers: [order()]), at: now)
        crew.ended("joined:m:1", status: "exit 1", stderrTail: "", atRisk: [])
        #expect(crew.follow(.init(workers: [order()]), at: now).isEmpty)
    }

    @Test("tells of an end until it was heard")
    func ends() {
        var crew = crew
        _ = crew.follow(.init(workers: [order()]), at: now)
        crew.ended("joined:m:1", status: "exit 1", stderrTail: "why", atRisk: [])
        let report = crew.report(waitSeconds: 1)
        #expect(report.ended.map(\.status) == ["exit 1"] && crew.report(waitSeconds: 1) == report)
        crew.wasHeard(report)
        #expect(crew.report(waitSeconds: 1).ended.isEmpty && crew.isEmpty)
    }

    @Test("that drains stops all and starts nothing")
    func drains() {
        var crew = crew
        _ = crew.follow(.init(workers: [order()]), at: now)
        #expect(crew.drain(at: now) == [.stop("joined:m:1")] && crew.drain(at: now).isEmpty)
        #expect(crew.follow(.init(workers: [order(), order("2", gpu: "0")]), at: now).isEmpty && crew.report(waitSeconds: 1).isDraining)
    }
}

extension [Crew.Action] {
    fileprivate var started: [MachineOrders.Worker] {
        compactMap { if case .start(let order) = $0 { order } else { nil } }
    }
}
