import MillraceCore
import MillraceQueue

// Valid values of the vocabulary; a test names only what it is about.

extension Job {
    public static func fixture(
        id: JobID? = nil, tenant: String = "acme", endpoint: String = "ocr", variant: String = "a", priority: Int = 5,
        parameters: [String: JSONValue] = [:], input: JSONValue? = nil, files: [JobFile] = [], callback: String? = nil,
        retry: RetryPolicy = RetryPolicy(), runLimit: Duration = .seconds(3600), runAt: Timestamp? = nil,
        expiresAt: Timestamp? = nil, in surroundings: Surroundings
    ) -> Job {
        Job(
            id: id ?? surroundings.makeID(), tenant: tenant, endpoint: endpoint, variant: variant, priority: priority,
            parameters: parameters, input: input.map { RawJSON($0) }, files: files, callback: callback, retry: retry, runLimit: runLimit,
            createdAt: surroundings.now(), runAt: runAt, expiresAt: expiresAt)
    }
}

extension WorkerRecord {
    public static func fixture(
        id: WorkerID? = nil, endpoint: String = "ocr", variant: String = "a", instance: String = "local:1",
        in surroundings: Surroundings
    ) -> WorkerRecord {
        let now = surroundings.now()
        return WorkerRecord(
            id: id ?? surroundings.makeID(), endpoint: endpoint, variant: variant, instance: instance, host: "localhost",
            processID: 1, startedAt: now, seenAt: now, idleSince: now)
    }
}

extension JobFile {
    public static func fixture(_ blob: BlobID, name: String = "file") -> JobFile {
        JobFile(name: name, filename: "\(name).png", blob: blob, mediaType: "image/png", bytes: 3, sha256: String(repeating: "ab", count: 32))
    }
}

extension BlobRecord {
    public static func fixture(
        id: BlobID? = nil, tenant: String = "acme", writer: JobID? = nil, in surroundings: Surroundings
    ) -> BlobRecord {
        BlobRecord(id: id ?? surroundings.makeID(), tenant: tenant, createdAt: surroundings.now(), writer: writer)
    }
}
