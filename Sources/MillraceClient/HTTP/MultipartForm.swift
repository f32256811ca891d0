import MillraceCore
import MillraceWire
import NIOCore
import NIOPosix

/// A `multipart/form-data` body (RFC 7578) whose files stay on disk until they are sent.
struct MultipartForm: Sendable {
    enum Part: Sendable, Equatable {
        case text(String)
        /// So many bytes of a file.
        case file(path: String, bytes: Int64)
    }

    private(set) var parts: [Part] = []
    private let boundary: String

    /// - Throws: ``MillraceClientError/file(path:reason:)`` for what is not a readable file.
    init(_ submission: JobSubmission, boundary: String) async throws {
        self.boundary = boundary
        // The fields come first: a server can refuse them before the files are sent.
        let request = submission.request
        if let parameters = request.parameters { add(field: "parameters", try MillraceJSON.string(parameters)) }
        if let input = request.input { add(field: "input", try MillraceJSON.string(input)) }
        if let priority = request.priority { add(field: "priority", "\(priority)") }
        if let callback = request.callback { add(field: "callback", callback) }
        if let seconds = request.timeToLiveSeconds { add(field: "timeToLiveSeconds", "\(seconds)") }
        if let time = request.runAt { add(field: "runAt", "\(time)") }
        if let seconds = request.delaySeconds { add(field: "delaySeconds", "\(seconds)") }
        if let seconds = request.deadlineSeconds { add(field: "deadlineSeconds", "\(seconds)") }
        for file in submission.files {
            let bytes = try await LocalFile.size(of: file.path)
            let filename = file.filename ?? file.path.split(separator: "/").last.map(String.init) ?? file.path
            add("Content-Disposition: form-data; name=\"\(Self.quoted(file.name))\"; filename=\"\(Self.quoted(filename))\"\r\nContent-Type: application/octet-stream")
            parts.append(.file(path: file.path, bytes: bytes))
            parts.append(.text("\r\n"))
        }
        parts.append(.text("--\(boundary)--\r\n"))
    }

    var length: Int64 {
        parts.reduce(0) { sum, part in
            switch part {
            case .text(let text): sum + Int64(text.utf8.count)
            case .file(_, let bytes): sum + bytes
            }
        }
    }

    func bytes(_ progress: UploadObserver?) -> MultipartBytes {
        MultipartBytes(parts: parts, total: length, progress: progress)
    }

    private mutating func add(field name: String, _ value: String) {
        add("Content-Disposition: form-data; name=\"\(Self.quoted(name))\"")
        parts.append(.text(value + "\r\n"))
    }

    private mutating func add(_ headers: String) {
        parts.append(.text("--\(boundary)\r\n\(headers)\r\n\r\n"))
    }

    /// As browsers do it (HTML standard, 4.10.21.8): three characters are percent-encoded.
    private static func quoted(_ name: String) -> String {
        name.unicodeScalars.map { scalar in
            switch scalar {
            case "\"": "%22"
            case "\r": "%0D"
            case "\n": "%0A"
            default: String(scalar)
            }
        }.joined()
    }
}

/// The bytes of a form, read while they are sent.
struct MultipartBytes: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let parts: [MultipartForm.Part]
    let total: Int64
    let progress: UploadObserver?

    func makeAsyncIterator() -> Iterator {
        Iterator(rest: parts[...], total: total, progress: progress)
    }

    struct Iterator: AsyncIteratorProtocol {
        private static let chunkBytes: Int64 = 256 << 10

        var rest: ArraySlice<MultipartForm.Part>
        let total: Int64
        let progress: UploadObserver?
        private var sent: Int64 = 0
        private var file: LocalFile?
        private var fileOffset: Int64 = 0

        init(rest: ArraySlice<MultipartForm.Part>, total: Int64, progress: UploadObserver?) {
            self.rest = rest
            self.total = total
            self.progress = progress
        }

        mutating func next() async throws -> ByteBuffer? {
            while let part = rest.first {
                switch part {
                case .text(let text):
                    rest.removeFirst()
                    return told(ByteBuffer(string: text))
                case .file(let path, let bytes):
                    if let buffer = try await nextOfFile(path, bytes) { return told(buffer) }
                    rest.removeFirst()
                }
            }
            return nil
        }

        private mutating func nextOfFile(_ path: String, _ bytes: Int64) async throws -> ByteBuffer? {
            if file == nil {
                file = try await LocalFile.open(path)
                fileOffset = 0
            }
            guard fileOffset < bytes else {
                file = nil
                return nil
            }
            let buffer = try await file!.read(at: fileOffset, atMost: Int(Swift.min(Self.chunkBytes, bytes - fileOffset)))
            guard buffer.readableBytes > 0 else { throw MillraceClientError.file(path: path, reason: "it became shorter while it was sent") }
            fileOffset += Int64(buffer.readableBytes)
            return buffer
        }

        private mutating func told(_ buffer: ByteBuffer) -> ByteBuffer {
            sent += Int64(buffer.readableBytes)
            progress?(UploadProgress(sent: sent, total: total))
            return buffer
        }
    }
}
