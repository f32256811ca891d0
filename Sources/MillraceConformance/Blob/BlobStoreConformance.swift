import Foundation
import MillraceCloud
import MillraceCore

/// Opens a new, empty blob store.
public typealias BlobStoreFactory = @Sendable () async throws -> any BlobStore
public typealias BlobStoreCase = ConformanceCase<BlobStoreFactory>

/// What every blob store promises.
public enum BlobStoreConformance {
    public static let cases: [BlobStoreCase] = writing + reading + deleting + granting

    private static let writing: [BlobStoreCase] = [
        promise("what was written and finished can be read, with its length and digest") { store in
            let (id, bytes) = (makeID(), pattern(100_000))
            let digest = try await write(bytes, as: id, to: store, inChunksOf: 7_777)
            try expectEqual(digest.bytes, 100_000, "bytes")
            try expectEqual(digest.sha256, "cd2df694e424bc7968cc37f47751019e5ca0cd1bdf2e479ea537c3a1c32ee1aa", "sha256")
            let content = try await store.read(id, range: nil)
            try expectEqual(content.bytesTotal, 100_000, "total")
            try expect(try await all(content) == bytes, "other bytes came back")
        },
        promise("what was put at once is as what was written in pieces") { store in
            for count in [0, 1, 100_000] {
                let (pieces, whole) = (makeID(), makeID())
                let digest = try await write(pattern(count), as: pieces, to: store, inChunksOf: 7_777)
                try expectEqual(try await store.put(pattern(count), as: whole), digest, "digest")
                try expectEqual(try await all(try await store.read(whole, range: nil)), pattern(count), "content")
            }
        },
        promise("an empty blob is a blob") { store in
            let id = makeID()
            let digest = try await write([], as: id, to: store)
            try expectEqual(digest.bytes, 0, "bytes")
            try expectEqual(digest.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256")
            let content = try await store.read(id, range: nil)
            try expectEqual(content.bytesTotal, 0, "total")
            try expectEqual(try await all(content), [], "content")
        },
        promise("a blob that is not finished cannot be read") { store in
            let id = makeID()
            let writer = try await store.write(id)
            try await writer.append(pattern(1000))
            try await expectUnknown { _ = try await all(try await store.read(id, range: nil)) }
            _ = try await writer.finish()
            try expectEqual(try await all(try await store.read(id, range: nil)).count, 1000, "bytes once finished")
        },
        promise("a blob that was abandoned is not there, and its id can be written") { store in
            let id = makeID()
            let writer = try await store.write(id)
            try await writer.append(pattern(1000))
            await writer.abandon()
            try await expectUnknown { _ = try await all(try await store.read(id, range: nil)) }
            _ = try await write(pattern(10), as: id, to: store)
            try expectEqual(try await all(try await store.read(id, range: nil)).count, 10, "bytes")
        },
        promise("abandoning a finished blob does it no harm") { store in
            let id = makeID()
            let writer = try await store.write(id)
            try await writer.append([1, 2, 3])
            _ = try await writer.finish()
            await writer.abandon()
            try expectEqual(try await all(try await store.read(id, range: nil)), [1, 2, 3], "content")
        },
        promise("blobs that are written at the same time do not mix") { store in
            let ids = (0..<8).map { _ in makeID() }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, id) in ids.enumerated() {
                    group.addTask {
                        _ = try await write([UInt8](repeating: UInt8(index), count: 50_000), as: id, to: store, inChunksOf: 1000)
                    }
                }
                try await group.waitForAll()
            }
            for (index, id) in ids.enumerated() {
                let bytes = try await all(try await store.read(id, range: nil))
                try expect(bytes.count == 50_000 && bytes.allSatisfy { $0 == UInt8(index) }, "blob \(index) holds other bytes")
            }
        },
    ]

    private static let reading: [BlobStoreCase] = [
        promise("a part can be read, and the total is told with it") { store in
            let (id, bytes) = (makeID(), pattern(3_000_000))
            _ = try await write(bytes, as: id, to: store)
            for range in [0..<1, 0..<3_000_000, 1_000_000..<2_500_001, 2_999_999..<3_000_000] as [Range<Int64>] {
                let content = try await store.read(id, range: range)
                try expectEqual(content.bytesTotal, 3_000_000, "total")
                try expect(
                    try await all(content) == Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]), "other bytes for \(range)")
            }
        },
        promise("content comes in chunks of at most 1 MiB") { store in
            let id = makeID()
            _ = try await write(pattern(2_500_000), as: id, to: store)
            for try await chunk in try await store.read(id, range: nil).chunks {
                try expect(!chunk.isEmpty && chunk.count <= 1 << 20, "a chunk has \(chunk.count) bytes")
            }
        },
        promise("a blob that is not there is unknown") { store in
            try await expectUnknown { _ = try await all(try await store.read(makeID(), range: nil)) }
        },
    ]

    private static let deleting: [BlobStoreCase] = [
        promise("a deleted blob is gone, and the others are not") { store in
            let (gone, kept) = (makeID(), makeID())
            for id in [gone, kept] { _ = try await write([1, 2, 3], as: id, to: store) }
            try await store.delete(gone)
            try await expectUnknown { _ = try await all(try await store.read(gone, range: nil)) }
            try expectEqual(try await all(try await store.read(kept, range: nil)), [1, 2, 3], "content")
        },
        promise("deleting a blob that is not there is no error") { store in
            let id = makeID()
            try await store.delete(id)
            _ = try await write([1], as: id, to: store)
            try await store.delete(id)
            try await store.delete(id)
        },
    ]

    private static let granting: [BlobStoreCase] = [
        promise("a granted path leads to the bytes") { store in
            let id = makeID()
            _ = try await write([1, 2, 3], as: id, to: store)
            switch try await store.grant(.read, to: id, for: .seconds(60)) {
            case .path(let path): try expectEqual([UInt8](try Data(contentsOf: URL(filePath: path))), [1, 2, 3], "content")
            case .url(let url): try expectAbsolute(url)
            }
        },
        promise("what a holder of a granted path puts there can be read") { store in
            let id = makeID()
            switch try await store.grant(.write, to: id, for: .seconds(60)) {
            case .path(let path):
                try Data([4, 5, 6]).write(to: URL(filePath: path + ".beside"))
                try FileManager.default.moveItem(atPath: path + ".beside", toPath: path)
                try expectEqual(try await all(try await store.read(id, range: nil)), [4, 5, 6], "content")
            case .url(let url): try expectAbsolute(url)
            }
        },
        promise("two blobs never share a place") { store in
            let ids: [BlobID] = [makeID(), makeID(), BlobID(high: 0, low: 0), BlobID(high: .max, low: .max)]
            var places: Set<String> = []
            for id in ids {
                switch try await store.grant(.write, to: id, for: .seconds(60)) {
                case .path(let path):
                    try expect(path.hasPrefix("/") && !path.contains("/../"), "the path \(path) is not absolute")
                    places.insert(path)
                case .url(let url): places.insert(url)
                }
            }
            try expectEqual(places.count, ids.count, "places")
        },
    ]
}

extension BlobStoreConformance {
    private static func promise(_ name: String, _ body: @escaping @Sendable (any BlobStore) async throws -> Void) -> BlobStoreCase {
        BlobStoreCase(name) { try await body(try await $0()) }
    }

    private static func makeID() -> BlobID { Surroundings.system.makeID() }

    /// Bytes 0, 1, 2, ... modulo 251, so that no chunk looks like the next.
    private static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8($0 % 251) }
    }

    private static func write(
        _ bytes: [UInt8], as id: BlobID, to store: any BlobStore, inChunksOf size: Int = 1 << 16
    ) async throws -> BlobDigest {
        let writer = try await store.write(id)
        for start in stride(from: 0, to: bytes.count, by: size) {
            try await writer.append(Array(bytes[start..<min(start + size, bytes.count)]))
        }
        return try await writer.finish()
    }

    private static func all(_ content: BlobContent) async throws -> [UInt8] {
        try await content.chunks.reduce(into: []) { $0 += $1 }
    }

    private static func expectUnknown(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as MillraceError {
            return try expectEqual(error.code, .blobUnknown, "error code")
        }
        throw ConformanceFailure(description: "a blob was read that is not there")
    }

    private static func expectAbsolute(_ url: String) throws {
        try expect(url.hasPrefix("http://") || url.hasPrefix("https://"), "\(url) is not an absolute URL")
    }
}
