import HTTPTypes
import MillraceCloud
import MillraceCore
import MillraceQueue

/// Takes the files of one request in: streamed to the blob store, counted against the endpoint's limits, told by their bytes.
struct FileIntake {
    let endpoint: EndpointConfiguration
    let tenant: String
    let intake: BlobIntake
    let pending: PendingBlobs
    let inspection: InputInspection
    /// Given when the file is JSON of so many bytes with tensors behind it, which its bytes do not tell.
    var headerLength: Int64?
    private(set) var files: [JobFile] = []
    private var bytesTaken: Int64 = 0

    init(endpoint: EndpointConfiguration, tenant: String, intake: BlobIntake, pending: PendingBlobs) {
        self.endpoint = endpoint
        self.tenant = tenant
        self.intake = intake
        self.pending = pending
        inspection = InputInspection(endpoint: endpoint, blobs: intake.blobs)
    }

    /// Takes one file from `next`, which gives its pieces and at last `nil`.
    ///
    /// It is refused as soon as it is too large or its beginning is of a type that is not accepted.
    mutating func take(name: String, filename: String?, from next: () async throws -> [UInt8]?) async throws {
        guard files.count < endpoint.limits.filesMax else {
            throw MillraceError(.tooManyFiles, "\"\(endpoint.name)\" takes up to \(endpoint.limits.filesMax) files in one request")
        }
        var blob = try await intake.begin(tenant: tenant)
        do {
            files.append(try await fill(&blob, name: name, filename: filename, from: next))
            pending.add(blob.record.id)
        } catch {
            await intake.discard(blob)
            throw error
        }
    }

    private mutating func fill(
        _ blob: inout IncomingBlob, name: String, filename: String?, from next: () async throws -> [UInt8]?
    ) async throws -> JobFile {
        var sniffed: String?
        while let chunk = try await next() {
            bytesTaken += Int64(chunk.count)
            guard bytesTaken <= endpoint.limits.bytesMax else { throw Self.tooLarge(endpoint) }
            try await blob.append(chunk)
            if sniffed == nil, blob.prefix.count == MediaSniffer.prefixBytes {
                sniffed = try mediaType(of: blob, whole: false)
            }
        }
        guard blob.bytes > 0 else { throw InputInspection.empty(filename ?? name) }
        let mediaType = try sniffed ?? mediaType(of: blob, whole: true)
        if let headerLength, headerLength > blob.bytes {
            throw MillraceError(
                .malformedRequest, "Inference-Header-Content-Length is \(headerLength), but the body has \(blob.bytes) bytes")
        }
        var file = JobFile(name: name, filename: filename, blob: blob.record.id, mediaType: mediaType, bytes: blob.bytes, sha256: "")
        // First what the bytes at hand tell, so that what is bad is not made durable.
        try await inspection.check(file, prefix: blob.prefix, tail: blob.tail, isStored: false)
        file.sha256 = try await blob.finish().sha256
        try await inspection.check(file, prefix: blob.prefix, tail: blob.tail)
        return file
    }

    /// The length of a header travels with the media type, as a parameter named like it.
    private func mediaType(of blob: borrowing IncomingBlob, whole: Bool) throws -> String {
        guard let headerLength else { return try inspection.mediaType(sniffed: MediaSniffer.sniff(blob.prefix, whole: whole)) }
        let name = HTTPField.Name.inferenceHeaderContentLength.canonicalName
        return "\(try inspection.mediaType(sniffed: ContentType.unknown)); \(name)=\(headerLength)"
    }

    static func tooLarge(_ endpoint: EndpointConfiguration) -> MillraceError {
        MillraceError(
            .tooLarge, "the files are larger than the \(ByteCount.inWords(endpoint.limits.bytesMax)) that \"\(endpoint.name)\" takes in one request",
            hint: "the limit is limits.bytesMax of the endpoint")
    }
}

enum ByteCount {
    /// `50 MB`: decimal units, as limits are written in settings.
    static func inWords(_ bytes: Int64) -> String {
        let units: [(Int64, String)] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")]
        for (size, name) in units where bytes >= size {
            let tenths = bytes * 10 / size
            return tenths % 10 == 0 ? "\(tenths / 10) \(name)" : "\(tenths / 10).\(tenths % 10) \(name)"
        }
        return "\(bytes) bytes"
    }
}
