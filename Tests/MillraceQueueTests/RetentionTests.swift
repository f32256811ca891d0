import Logging
import MillraceCore
import MillraceTestSupport
import ServiceLifecycleTestKit
import Testing

@testable import MillraceQueue

@Suite("A retention round")
struct RetentionRoundTests {
    let now = Timestamp(milliseconds: 1_000_000_000)
    let endpoints = [
        EndpointRetention(endpoint: "ocr", age: .seconds(60)), EndpointRetention(endpoint: "tags", age: .seconds(5)),
    ]

    private func steps(_ policy: RetentionPolicy, removed: [Int]) -> [RetentionRound.Step?] {
        var round = RetentionRound(endpoints, policy, at: now)
        return removed.map { count in
            defer { round.done(removed: count) }
            return round.next
        } + [round.next]
    }

    private var ocr: RetentionRound.Step { .prune(endpoints[0], at: now) }
    private var tags: RetentionRound.Step { .prune(endpoints[1], at: now) }
    private var collect: RetentionRound.Step { .collect(pendingBefore: now - .seconds(86_400), unusedBefore: now - .seconds(86_400)) }

    @Test("goes through the endpoints, then collects blobs")
    func order() {
        #expect(steps(RetentionPolicy(), removed: [0, 3, 0]) == [ocr, tags, collect, nil])
    }

    @Test("stays with a step while its batches are full")
    func batches() {
        #expect(steps(RetentionPolicy(), removed: [200, 200, 7, 0, 200]) == [ocr, ocr, ocr, tags, collect, collect])
    }

    @Test("ends after its number of steps, whatever is left")
    func bounded() {
        var policy = RetentionPolicy()
        policy.stepsMax = 3
        #expect(steps(policy, removed: [200, 200, 200]) == [ocr, ocr, ocr, nil])
    }
}

@Suite("The retention service", .timeLimit(.minutes(1)))
struct RetentionServiceTests {
    let clock = ManualClock()
    let store: InMemoryStore

    init() {
        store = InMemoryStore(clock.surroundings)
    }

    private func service(_ deleteBlob: @escaping @Sendable (BlobID) async throws -> Void) -> RetentionService {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return RetentionService(
            store, endpoints: { [EndpointRetention(endpoint: "ocr", age: .seconds(3600))] }, surroundings: clock.surroundings,
            logger: logger, deleteBlob: deleteBlob)
    }

    private func finished(_ files: [JobFile] = []) async throws -> Job {
        let job = Job.fixture(files: files, in: clock.surroundings)
        _ = try await store.admit([NewJob(job: job)])
        return try #require(try await store.cancel(job.id))
    }

    private func upload() async throws -> JobFile {
        let blob = BlobRecord.fixture(in: clock.surroundings)
        try await store.reserve(blob)
        return .fixture(blob.id)
    }

    @Test("removes jobs after their endpoint's retention, then their files, and nothing else")
    func removes() async throws {
        let (old, young) = (try await upload(), try await upload())
        let gone = try await finished([old])
        clock.advance(by: .seconds(86_400))
        let kept = try await finished([young])
        let waiting = try await upload()
        let collected = Signal(of: BlobID.self)
        let service = service { collected.send($0) }
        try await testGracefulShutdown { trigger in
            async let run: Void = service.run()
            try await clock.waitForSleepers()
            clock.advance(by: .seconds(60))
            #expect(try await collected.next() == old.blob)
            try await clock.waitForSleepers()
            trigger.triggerGracefulShutdown()
            try await run
        }
        #expect(try await store.job(gone.id) == nil)
        #expect(try await store.blob(old.blob) == nil)
        #expect(try await store.job(kept.id) != nil)
        #expect(try await store.blob(young.blob)?.state == .stored)
        #expect(try await store.blob(waiting.blob)?.state == .pending)
    }

    @Test("tries a blob that could not be deleted again in the next round")
    func undeletable() async throws {
        let file = try await upload()
        clock.advance(by: .seconds(90_000))
        try await service { _ in throw MillraceError(.storageFull, "no") }.round()
        #expect(try await store.blob(file.blob)?.state == .deleting)
        // Another service, which leads once the first one's time is over.
        clock.advance(by: .seconds(121))
        try await service { _ in }.round()
        #expect(try await store.blob(file.blob) == nil)
    }

    @Test("ends at once when asked to")
    func stops() async throws {
        for _ in 0..<50 {
            try await testGracefulShutdown { trigger in
                async let run: Void = service { _ in }.run()
                trigger.triggerGracefulShutdown()
                try await run
            }
        }
    }
}
