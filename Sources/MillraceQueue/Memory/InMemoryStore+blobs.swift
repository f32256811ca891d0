import MillraceCore

extension InMemoryStore: BlobCatalog {
    public func reserve(_ blobs: [BlobRecord]) async throws {
        try write { state in
            for blob in blobs where state.blobs[blob.id] != nil { throw MillraceError.alreadyThere("blob \(blob.id)") }
            for blob in blobs { state.blobs[blob.id] = .init(record: blob) }
        }
    }

    public func seal(_ id: BlobID, bytes: Int64, sha256: String, mediaType: String) async throws {
        try write { state in
            guard var record = state.blobs[id]?.record, record.state == .pending else { throw MillraceError.blobMissing(id) }
            record.state = .stored
            record.bytes = bytes
            record.sha256 = sha256
            record.mediaType = mediaType
            state.blobs[id]?.record = record
        }
    }

    public func blob(_ id: BlobID) async throws -> BlobRecord? {
        read { $0.blobs[id]?.record }
    }

    public func claimUnused(pendingBefore: Timestamp, unusedBefore: Timestamp, limit: Int, by leader: Leadership?) async throws -> [BlobID] {
        try write { state in
            try state.check(leader, at: surroundings.now())
            let left = state.blobs.values.filter { $0.record.state == .deleting }.map(\.record.id).sorted()
            let unused = state.blobs.values.filter { blob in
                guard blob.uses == 0, blob.record.writer.map({ !state.running.contains($0) }) ?? true else { return false }
                switch blob.record.state {
                case .pending: return blob.record.createdAt < pendingBefore
                case .stored: return blob.record.createdAt < unusedBefore
                case .deleting: return false
                }
            }.map(\.record).sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }.map(\.id)
            let claimed = (left + unused).prefix(max(limit, 0))
            for id in claimed { state.blobs[id]?.record.state = .deleting }
            return Array(claimed)
        }
    }

    public func forget(_ ids: [BlobID]) async throws {
        write { state in
            for id in ids where state.blobs[id]?.record.state == .deleting { state.blobs[id] = nil }
        }
    }
}

extension InMemoryStore: KeyStore {
    public func add(_ key: KeyRecord) async throws {
        try write { state in
            guard state.keys[key.id] == nil else { throw MillraceError.alreadyThere("key \(key.id)") }
            state.keys[key.id] = key
        }
    }

    public func key(_ id: KeyID) async throws -> KeyRecord? {
        read { $0.keys[id] }
    }

    public func keys() async throws -> [KeyRecord] {
        read { $0.keys.values.sorted { $0.id < $1.id } }
    }

    public func revoke(_ id: KeyID) async throws -> Bool {
        write { $0.keys.removeValue(forKey: id) != nil }
    }
}
