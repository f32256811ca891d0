import MillraceConformance
import MillraceQueue
import MillraceQueueSQLite
import MillraceTestSupport
import Testing

@Suite("The SQLite store", .timeLimit(.minutes(2)))
struct SQLiteConformanceTests {
    @Test("keeps the store's promises", arguments: StoreConformance.cases)
    func conforms(_ promise: StoreCase) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            try await promise.run { try SQLiteStore(path: path, surroundings: $0) }
        }
    }

    @Test("keeps the promises of two facades on one file", arguments: StorePairConformance.cases)
    func conforms(_ promise: StorePairCase) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            try await promise.run { surroundings in
                (try SQLiteStore(path: path, surroundings: surroundings), try SQLiteStore(path: path, surroundings: surroundings))
            }
        }
    }
}
