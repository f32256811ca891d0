import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Testing

@testable import MillraceGateway

struct ReservedBlobsTests {
    private let clock = ManualClock()
    private let store: InMemoryStore
    private let reserved: ReservedBlobs

    init() {
        store = InMemoryStore(clock.surroundings)
        reserved = ReservedBlobs(queue: JobQueue(store, surroundings: clock.surroundings), surroundings: clock.surroundings)
    }

    private func pending() async throws -> [BlobID] {
        try await store.claimUnused(pendingBefore: clock.now + .seconds(1), unusedBefore: clock.now, limit: 10_000)
    }

    @Test("Files that come one by one have their rows written one by one")
    func seldom() async throws {
        for _ in 0..<5 {
            _ = try await reserved.next(tenant: "acme")
            clock.advance(by: .seconds(1))
        }
        #expect(try await pending().count == 5)
    }

    @Test("Where many come, rows are written ahead, each is given once, and a block has its bound")
    func often() async throws {
        var given: Set<BlobID> = []
        for _ in 0..<500 {
            let record = try await reserved.next(tenant: "acme")
            #expect(given.insert(record.id).inserted)
            #expect(try await store.blob(record.id) == record)
            clock.advance(by: .milliseconds(1))
        }
        let unused = try await pending().filter { !given.contains($0) }
        #expect((1..<ReservedBlobs.blockMax).contains(unused.count))
    }

    @Test("A row is its tenant's alone")
    func tenants() async throws {
        for _ in 0..<20 {
            #expect(try await reserved.next(tenant: "acme").tenant == "acme")
            #expect(try await reserved.next(tenant: "umbrella").tenant == "umbrella")
        }
    }

    @Test("Rows that have waited long, or are of a time to come, are given to no file")
    func old() async throws {
        for _ in 0..<100 { _ = try await reserved.next(tenant: "acme") }
        clock.advance(by: .seconds(61))
        #expect(try await reserved.next(tenant: "acme").createdAt == clock.now)
        for _ in 0..<100 { _ = try await reserved.next(tenant: "acme") }
        clock.step(by: .seconds(-3600))
        #expect(try await reserved.next(tenant: "acme").createdAt == clock.now)
    }
}
