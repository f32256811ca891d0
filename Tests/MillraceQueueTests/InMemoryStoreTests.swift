import MillraceConformance
import MillraceQueue
import Testing

@Suite("The in-memory store", .timeLimit(.minutes(1)))
struct InMemoryStoreTests {
    @Test("keeps the store's promises", arguments: StoreConformance.cases)
    func conforms(_ promise: StoreCase) async throws {
        try await promise.run { InMemoryStore($0) }
    }

    @Test("keeps the promises of two facades on one store", arguments: StorePairConformance.cases)
    func conforms(_ promise: StorePairCase) async throws {
        try await promise.run { surroundings in
            let store = InMemoryStore(surroundings)
            return (store, store)
        }
    }
}
