import Logging
import MillraceCore
import MillraceInference
import MillraceTestSupport
import MillraceWire
import Synchronization
import Testing

@testable import MillraceWorker

@Suite struct SettlerTests {
    private let clock = ManualClock()
    private let held = HeldJobs()
    private let gateway = ScriptedGateway()

    @Test func `what ends while a report is under way goes together in the next`() async throws {
        let jobs = lease(5)
        try await running { settler in
            settler.add(.cancelled, of: jobs[0], coldStartSeconds: nil)
            try await gateway.received(1)
            for leased in jobs[1...] { settler.add(.cancelled, of: leased, coldStartSeconds: nil) }
            #expect(held.count == 5)
            gateway.answer()
            try await gateway.received(2)
            #expect(held.count == 4)
            gateway.answer()
            await held.waitForRoom(below: 1)
        }
        #expect(gateway.reports.map { $0.map(\.job) } == [[jobs[0].id], jobs[1...].map(\.id)])
    }

    @Test func `a report has a thousand items at most`() async throws {
        let jobs = lease(2100)
        gateway.answersAtOnce = true
        try await running { settler in
            for leased in jobs { settler.add(.cancelled, of: leased, coldStartSeconds: nil) }
            await held.waitForRoom(below: 1)
        }
        #expect(gateway.reports.allSatisfy { $0.count <= 1000 })
        #expect(gateway.reports.flatMap { $0.map(\.job) } == jobs.map(\.id))
    }

    @Test func `a large outcome does not make a report too large`() async throws {
        let jobs = lease(4)
        let large = SettleRequest.Outcome.failed(JobFailure(.internal, String(repeating: "x", count: 3 << 20)))
        gateway.answersAtOnce = true
        try await running { settler in
            for leased in jobs { settler.add(large, of: leased, coldStartSeconds: nil) }
            await held.waitForRoom(below: 1)
        }
        #expect(gateway.reports.allSatisfy { $0.count == 1 })
    }

    @Test func `an outcome whose lease is lost while it waits is dropped`() async throws {
        let jobs = lease(3)
        try await running { settler in
            settler.add(.cancelled, of: jobs[0], coldStartSeconds: nil)
            try await gateway.received(1)
            settler.add(.cancelled, of: jobs[1], coldStartSeconds: nil)
            settler.add(.cancelled, of: jobs[2], coldStartSeconds: nil)
            held.stop(jobs[1].token, reason: .lost)
            gateway.answer()
            try await gateway.received(2)
            gateway.answer()
            await held.waitForRoom(below: 1)
        }
        #expect(gateway.reports.last?.map(\.job) == [jobs[2].id])
    }

    @Test func `one outcome that cannot be taken does not cost the others`() async throws {
        let jobs = lease(8)
        gateway.answersAtOnce = true
        gateway.refused = jobs[5].id
        try await running { settler in
            for leased in jobs { settler.add(.cancelled, of: leased, coldStartSeconds: nil) }
            await held.waitForRoom(below: 1)
        }
        #expect(gateway.taken == Set(jobs.map(\.id)).subtracting([jobs[5].id]))
        // Before it is given up, a small report says what was wrong with the large one.
        let substitute = gateway.reports.compactMap { items in items.count == 1 && items[0].job == jobs[5].id ? items[0].outcome : nil }.last
        guard case .failed(let failure)? = substitute else {
            Issue.record("the refused report was not replaced: \(String(describing: substitute))")
            return
        }
        #expect(failure.code == ErrorCode.handlerProtocol.rawValue && failure.message.contains("bad"))
    }

    @Test func `a few outcomes go with the next request for work, many do not`() async throws {
        let jobs = lease(12)
        let settler = makeSettler()
        for leased in jobs[..<3] { settler.add(.cancelled, of: leased, coldStartSeconds: nil) }
        let few = settler.takeFew()
        #expect(few.map(\.job) == jobs[..<3].map(\.id) && settler.takeFew().isEmpty)
        #expect(held.count == 12, "until the gateway has heard")
        settler.note([.held, .lost, .held], few[...])
        #expect(held.count == 9)
        for leased in jobs[3...] { settler.add(.cancelled, of: leased, coldStartSeconds: nil) }
        #expect(settler.takeFew().isEmpty)
    }

    @Test func `outcomes that come while the settler waits for more go together`() async throws {
        let jobs = lease(5)
        gateway.answersAtOnce = true
        let (waits, waiting) = AsyncStream<Void>.makeStream()
        let (goes, go) = AsyncStream<Void>.makeStream()
        let settler = makeSettler {
            waiting.yield()
            for await _ in goes {}
        }
        try await running(settler) {
            settler.add(.cancelled, of: jobs[0], coldStartSeconds: nil)
            for await _ in waits { break }
            for leased in jobs[1...] { settler.add(.cancelled, of: leased, coldStartSeconds: nil) }
            go.finish()
            await held.waitForRoom(below: 1)
        }
        #expect(gateway.reports.map(\.count) == [5])
    }

    @Test func `the last log lines and the last progress go with the outcome`() async throws {
        let jobs = lease(1)
        gateway.answersAtOnce = true
        try await running { settler in
            held.log(LogLine(level: .info, message: "last words"), of: jobs[0].token)
            held.progress(JobProgress(done: 3), of: jobs[0].token)
            settler.add(.cancelled, of: jobs[0], coldStartSeconds: 1.5)
            await held.waitForRoom(below: 1)
        }
        let item = try #require(gateway.reports.first?.first)
        #expect(item.logs.map(\.message) == ["last words"])
        #expect(item.progress == JobProgress(done: 3))
        #expect(item.coldStartSeconds == 1.5)
    }

    private func lease(_ count: Int) -> [LeasedJob] {
        let jobs = (1...count).map { number in
            LeasedJob(
                id: JobID(high: 1, low: UInt64(number)), token: LeaseToken(high: 2, low: UInt64(number)), attempt: 1, createdAt: clock.now,
                parameters: nil, input: nil, files: [], checkpoint: nil, traceparent: nil)
        }
        held.add(jobs)
        return jobs
    }

    private func makeSettler(gather: @escaping @Sendable () async -> Void = {}) -> Settler {
        Settler(
            worker: WorkerID(high: 9, low: 9), held: held,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), gather: gather
        ) { [gateway] in try await gateway.settle($0) }
    }

    private func running(_ body: (Settler) async throws -> Void) async throws {
        let settler = makeSettler()
        try await running(settler) { try await body(settler) }
    }

    private func running(_ settler: Settler, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await settler.run() }
            try await body()
            group.cancelAll()
        }
    }
}

/// A gateway that says yes, at once or when the test lets it.
private final class ScriptedGateway: Sendable {
    private struct State {
        var reports: [[SettleRequest.Item]] = []
        var taken: Set<JobID> = []
        var answersAtOnce = false
        var refused: JobID?
    }
    private let state = Mutex(State())
    private let arrivals = AsyncStream<Void>.makeStream()
    private let permissions = AsyncStream<Void>.makeStream()

    var reports: [[SettleRequest.Item]] { state.withLock(\.reports) }
    var taken: Set<JobID> { state.withLock(\.taken) }
    var answersAtOnce: Bool {
        get { state.withLock(\.answersAtOnce) }
        set { state.withLock { $0.answersAtOnce = newValue } }
    }
    var refused: JobID? {
        get { state.withLock(\.refused) }
        set { state.withLock { $0.refused = newValue } }
    }

    func answer() { permissions.continuation.yield() }

    func received(_ count: Int) async throws {
        for await _ in arrivals.stream where reports.count >= count { return }
    }

    func settle(_ request: SettleRequest) async throws -> SettleResponse {
        state.withLock { $0.reports.append(request.items) }
        arrivals.continuation.yield()
        if request.items.contains(where: { $0.job == refused }) { throw MillraceError(.malformedRequest, "bad") }
        if !answersAtOnce { for await _ in permissions.stream { break } }
        state.withLock { $0.taken.formUnion(request.items.map(\.job)) }
        return SettleResponse(verdicts: request.items.map { _ in .held })
    }
}
