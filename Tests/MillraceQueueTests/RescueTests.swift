import Logging
import MillraceCore
import MillraceTestSupport
import ServiceLifecycle
import ServiceLifecycleTestKit
import Testing

@testable import MillraceQueue

@Suite("The rescuer's decisions")
struct RescueStateMachineTests {
    let origin = Timestamp(milliseconds: 1_000_000)
    var machine = RescueStateMachine(lease: .seconds(15))

    private mutating func actions(at seconds: [Int]) -> [RescueStateMachine.Action] {
        seconds.map { machine.tick(at: origin + .seconds($0)) }
    }

    @Test("rescue nothing for one full lease after the start")
    mutating func afterStart() {
        #expect(actions(at: [0, 5, 10, 15, 20]) == [.probe, .probe, .probe, .rescue, .rescue])
    }

    @Test("rescue nothing for one full lease after a gap")
    mutating func gap() {
        _ = actions(at: [0, 5, 10, 15])
        #expect(actions(at: [30, 46, 51, 56, 61, 66]) == [.rescue, .probe, .probe, .probe, .rescue, .rescue])
    }

    @Test("take a clock that was set, in either direction, for a gap")
    mutating func clockSet() {
        _ = actions(at: [0, 5, 10, 15])
        #expect(actions(at: [3600, 3605, 3610, 3615]) == [.probe, .probe, .probe, .rescue])
        #expect(actions(at: [100, 105]) == [.correct(by: .seconds(3515)), .correct(by: .seconds(3515))])
        machine.corrected(at: origin + .seconds(105))
        #expect(actions(at: [110, 115, 120]) == [.probe, .probe, .rescue])
    }

    @Test("correct at the start what a clock has left behind that was set back while no server ran")
    mutating func clockSetMeanwhile() {
        machine.begin(at: origin, after: origin + .seconds(60))
        #expect(actions(at: [0]) == [.correct(by: .seconds(60))])
        machine.corrected(at: origin)
        #expect(actions(at: [5, 10, 15]) == [.probe, .probe, .rescue])
        machine.begin(at: origin + .seconds(20), after: origin)
        #expect(actions(at: [20]) == [.rescue])
    }

    @Test("rescue nothing for one full lease after the store failed")
    mutating func failure() {
        _ = actions(at: [0, 5, 10, 15])
        machine.failed(at: origin + .seconds(15))
        #expect(actions(at: [20, 25]) == [.probe, .probe])
        machine.failed(at: origin + .seconds(25))
        #expect(actions(at: [30, 35, 40, 45]) == [.probe, .probe, .probe, .rescue])
    }
}

@Suite("The rescue service", .timeLimit(.minutes(1)))
struct RescueServiceTests {
    let clock = ManualClock()
    let store: InMemoryStore
    let service: RescueService

    init() {
        store = InMemoryStore(clock.surroundings)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        service = RescueService(store, lease: .seconds(15), surroundings: clock.surroundings, logger: logger)
    }

    private func running() async throws -> Job {
        let worker = WorkerRecord.fixture(in: clock.surroundings)
        try await store.register(worker)
        _ = try await store.admit([NewJob(job: .fixture(in: clock.surroundings))])
        return try await store.lease(LeaseDemand(worker: worker.id, endpoint: "ocr", variant: "a", jobsMax: 1, duration: .seconds(15)))[0]
    }

    private func tick(_ count: Int = 1) async throws {
        for _ in 0..<count {
            try await clock.waitForSleepers()
            clock.advance(by: .seconds(5))
        }
        try await clock.waitForSleepers()
    }

    @Test("gives a worker that lived through an outage of the gateway the time to say so")
    func outage() async throws {
        let job = try await running()
        clock.advance(by: .seconds(1800))
        try await testGracefulShutdown { trigger in
            async let run: Void = service.run()
            try await tick(2)
            #expect(try await store.job(job.id)?.state == .running)
            let renewal = LeaseRenewal(job: job.id, token: job.lease!.token, duration: .seconds(15))
            #expect(try await store.renew([renewal]) == [.held])
            try await tick(2)
            #expect(try await store.job(job.id)?.state == .running)
            trigger.triggerGracefulShutdown()
            try await run
        }
    }

    @Test("takes a dead worker's job back within a lease, and forgets the worker later")
    func dead() async throws {
        try await testGracefulShutdown { trigger in
            async let run: Void = service.run()
            try await tick(3)
            let job = try await running()
            try await tick(2)
            #expect(try await store.job(job.id)?.state == .running)
            try await tick(1)
            #expect(try await store.job(job.id)?.state == .queued)
            #expect(try await store.job(job.id)?.crashes == 1)
            #expect(try await store.workers().count == 1)
            try await tick(10)
            #expect(try await store.workers().isEmpty)
            trigger.triggerGracefulShutdown()
            try await run
        }
    }

    @Test("takes back more jobs than fit into one call")
    func many() async throws {
        let worker = WorkerRecord.fixture(in: clock.surroundings)
        try await store.register(worker)
        _ = try await store.admit((0..<450).map { _ in NewJob(job: .fixture(in: clock.surroundings)) })
        _ = try await store.lease(LeaseDemand(worker: worker.id, endpoint: "ocr", variant: "a", jobsMax: 450, duration: .seconds(15)))
        var machine = RescueStateMachine(lease: .seconds(15))
        for _ in 0..<4 {
            await service.tick(&machine)
            clock.advance(by: .seconds(5))
        }
        #expect(try await store.backlog().map(\.running) == [0])
    }

    @Test("ends when its task is cancelled, at once and without an error")
    func cancelled() async throws {
        let run = Task { try await service.run() }
        try await clock.waitForSleepers()
        run.cancel()
        try await run.value
    }

    @Test("starts and stops many times")
    func startStop() async throws {
        for _ in 0..<50 {
            try await testGracefulShutdown { trigger in
                async let run: Void = service.run()
                trigger.triggerGracefulShutdown()
                try await run
            }
        }
    }
}
