import Crypto
import MillraceCloud
import MillraceCore
import Synchronization

/// A blob store of dictionaries, that also counts what was abandoned.
final class InMemoryBlobs: BlobStore {
    struct State {
        var blobs: [BlobID: [UInt8]] = [:]
        var abandoned: [BlobID] = []
        /// The most bytes that one `append` brought.
        var pieceBytesMax = 0
        var writersBegun = 0
    }
    let state = Mutex(State())

    subscript(_ id: BlobID) -> [UInt8]? { state.withLock { $0.blobs[id] } }

    func put(_ id: BlobID, _ bytes: [UInt8]) -> BlobDigest {
        state.withLock { $0.blobs[id] = bytes }
        return BlobDigest(bytes: Int64(bytes.count), sha256: sha256(bytes))
    }

    func write(_ blob: BlobID) async throws -> any BlobWriter {
        state.withLock { $0.writersBegun += 1 }
        return Writer(id: blob, store: self)
    }

    func read(_ blob: BlobID, range: Range<Int64>?) async throws -> BlobContent {
        guard let bytes = self[blob] else { throw MillraceError(.blobUnknown, "there is no blob \(blob)") }
        let part = (range ?? 0..<Int64(bytes.count)).clamped(to: 0..<Int64(bytes.count))
        let chunk = Array(bytes[Int(part.lowerBound)..<Int(part.upperBound)])
        return BlobContent(
            bytesTotal: Int64(bytes.count),
            chunks: AsyncThrowingStream { continuation in
                if !chunk.isEmpty { continuation.yield(chunk) }
                continuation.finish()
            })
    }

    func delete(_ blob: BlobID) async throws { state.withLock { $0.blobs[blob] = nil } }

    func grant(_ access: BlobAccess, to blob: BlobID, for validity: Duration) async throws -> BlobGrant { .path("/blobs/\(blob)") }

    private final class Writer: BlobWriter {
        let id: BlobID
        let store: InMemoryBlobs
        let bytes = Mutex<[UInt8]>([])

        init(id: BlobID, store: InMemoryBlobs) {
            self.id = id
            self.store = store
        }

        func append(_ piece: [UInt8]) async throws {
            bytes.withLock { $0 += piece }
            store.state.withLock { $0.pieceBytesMax = max($0.pieceBytesMax, piece.count) }
        }

        func finish() async throws -> BlobDigest { store.put(id, bytes.withLock { $0 }) }

        func abandon() async { store.state.withLock { $0.abandoned.append(id) } }
    }
}

func sha256(_ bytes: some Sequence<UInt8>) -> String {
    SHA256.hash(data: Array(bytes)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}
