import Foundation
import MillraceConformance
import MillraceQueue
import MillraceTestSupport
import Testing

@testable import MillraceQueueSQLite

@Suite("Random operations", .timeLimit(.minutes(5)))
struct StoreComparisonTests {
    /// Seeds that run always, and one that is new each time; it is printed with a failure, and can be added here.
    static let seeds: [UInt64] = [1, 2, 3, 4, UInt64.random(in: 0..<1 << 32)]

    @Test("leave the in-memory store and SQLite in the same state", arguments: seeds)
    func sameState(seed: UInt64) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            try await StoreComparison.run(
                seed: seed, steps: 600,
                ({ InMemoryStore($0) }, { try SQLiteStore(path: path, surroundings: $0) }))
            try await SQLiteStore(path: path).verifyLanes()
        }
    }
}
