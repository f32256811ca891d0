import MillraceCore
import MillraceQueue
import Synchronization

/// Rows of blobs that files will come for: the busier it is, the more of them are written ahead in one transaction, so that a
/// file need not wait for a commit of its own before its bytes are written.
///
/// Where files come one by one, so are their rows written. What is never used is collected as any pending row is.
final class ReservedBlobs: Sendable {
    /// Rows of one transaction.
    static let blockMax = 32
    /// How long a row may wait for its file: far less than the age at which pending rows are collected.
    private static let ageMax: Duration = .seconds(60)
    /// As many rows are written ahead as were taken in this time.
    private static let pace: Duration = .milliseconds(250)
    private static let tenantsMax = 256

    private struct Block {
        var records: [BlobRecord] = []
        var windowBegan: Timestamp
        /// Taken in this window, and in the one before it.
        var taken = 0
        var takenBefore = 0

        /// - Returns: a row that is there, or how many are to be written.
        mutating func take(at now: Timestamp) -> (record: BlobRecord?, missing: Int) {
            let age = now.since(windowBegan)
            if age < .zero || age >= pace {
                (windowBegan, takenBefore, taken) = (now, age >= .zero && age < pace * 2 ? taken : 0, 0)
            }
            defer { taken += 1 }
            while let record = records.popLast() {
                let age = now.since(record.createdAt)
                if age >= .zero, age < ageMax { return (record, 0) }
            }
            return (nil, min(max(taken, takenBefore, 1), blockMax))
        }
    }

    private let queue: JobQueue
    private let surroundings: Surroundings
    private let blocks = Mutex<[String: Block]>([:])

    init(queue: JobQueue, surroundings: Surroundings) {
        self.queue = queue
        self.surroundings = surroundings
    }

    /// The row, already written, of a blob of this tenant that nobody else was given.
    func next(tenant: String) async throws -> BlobRecord {
        let now = surroundings.now()
        let (record, missing) = blocks.withLock { blocks in
            if blocks.count >= Self.tenantsMax, blocks[tenant] == nil { blocks = [:] }
            return blocks[tenant, default: Block(windowBegan: now)].take(at: now)
        }
        if let record { return record }
        let records = (0..<missing).map { _ in BlobRecord(id: surroundings.makeID(), tenant: tenant, createdAt: now) }
        try await queue.reserve(records)
        blocks.withLock { $0[tenant]?.records += records.dropFirst() }
        return records[0]
    }
}
