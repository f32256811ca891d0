import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import MillraceCloud
import MillraceCore
import NIOCore

/// Gives bytes out, of a blob or kept with their job: streamed, with their digest as `ETag`, in ranges.
struct BlobAnswer: Sendable {
    let blobs: any BlobStore

    /// What is given out.
    struct Content: Sendable {
        var mediaType: String
        var bytes: Int64
        var sha256: String
        var source: Source

        enum Source: Sendable {
            case blob(BlobID)
            case text(String)
            /// A file of this machine.
            case file(String)
        }

        init(_ file: JobFile) {
            self.init(mediaType: file.mediaType, bytes: file.bytes, sha256: file.sha256, source: .blob(file.blob))
        }

        init(_ output: InlineOutput) {
            let digest = SHA256.hash(data: Data(output.text.utf8)).hexadecimal
            self.init(mediaType: output.mediaType, bytes: Int64(output.text.utf8.count), sha256: digest, source: .text(output.text))
        }

        init(path: String, bytes: Int64, sha256: String) {
            self.init(mediaType: ContentType.unknown, bytes: bytes, sha256: sha256, source: .file(path))
        }

        private init(mediaType: String, bytes: Int64, sha256: String, source: Source) {
            self.mediaType = mediaType
            self.bytes = bytes
            self.sha256 = sha256
            self.source = source
        }
    }

    func response(to request: Request, with file: JobFile, filename: String?) async throws -> Response {
        try await response(to: request, with: Content(file), filename: filename)
    }

    func response(to request: Request, with file: Content, filename: String?) async throws -> Response {
        let tag = "\"\(file.sha256)\""
        var headers: HTTPFields = [.eTag: tag, .acceptRanges: "bytes", .cacheControl: "private, no-cache"]
        if Self.matches(request.headers[.ifNoneMatch], tag) { return Response(status: .notModified, headers: headers) }
        headers[.contentType] = ContentType(file.mediaType) != nil ? file.mediaType : ContentType.unknown
        let header = HTTPField.Name.inferenceHeaderContentLength
        headers[header] = ContentType(file.mediaType)?.parameters[header.canonicalName].flatMap { Int64($0) }.map { "\($0)" }
        headers[.contentDisposition] = ContentDisposition.header(filename: filename, isShown: Self.isShowable(file.mediaType))
        // A result may be a page that somebody else wrote: it runs nothing here.
        headers[.contentSecurityPolicy] = "default-src 'none'; sandbox"
        let condition = request.headers[.ifRange]
        let range = condition == nil || condition == tag ? request.headers[.range] : nil
        switch ByteRange(range, of: file.bytes) {
        case .notSatisfiable:
            throw Problem(
                .rangeNotSatisfiable, "the result has \(file.bytes) bytes", headers: [.contentRange: "bytes */\(file.bytes)"])
        case .whole:
            return try await stream(file, nil, .ok, headers, request)
        case .part(let part):
            headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(file.bytes)"
            return try await stream(file, part, .partialContent, headers, request)
        }
    }

    private func stream(
        _ file: Content, _ part: Range<Int64>?, _ status: HTTPResponse.Status, _ headers: HTTPFields, _ request: Request
    ) async throws -> Response {
        let length = Int(part.map { $0.upperBound - $0.lowerBound } ?? file.bytes)
        guard request.method != .head, length > 0 else {
            var headers = headers
            headers[.contentLength] = "\(length)"
            return Response(status: status, headers: headers)
        }
        let id: BlobID
        switch file.source {
        case .blob(let blob): id = blob
        case .text(let text):
            let bytes = Array(text.utf8)
            let shown = part.map { bytes[Int($0.lowerBound)..<Int($0.upperBound)] } ?? bytes[...]
            return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: shown)))
        case .file(let path):
            let body = FileBody(path: path, range: part ?? 0..<file.bytes)
            return Response(status: status, headers: headers, body: .init(contentLength: length) { try await body.write(to: &$0) })
        }
        let content = try await blobs.read(id, range: part)
        return Response(
            status: status, headers: headers,
            body: .init(contentLength: length) { writer in
                for try await chunk in content.chunks { try await writer.write(ByteBuffer(bytes: chunk)) }
                try await writer.finish(nil)
            })
    }

    /// `If-None-Match`: a list of tags, compared weakly, or `*`.
    static func matches(_ header: String?, _ tag: String) -> Bool {
        guard let header else { return false }
        return header.split(separator: ",").contains { candidate in
            let candidate = candidate.trimmingCharacters(in: .whitespaces)
            return candidate == "*" || candidate == tag || candidate == "W/\(tag)"
        }
    }

    /// What a browser may show without doing harm; all else is a download.
    private static let shown: Set<String> = [
        "application/json", "text/plain", "text/csv", "image/png", "image/jpeg", "image/gif", "image/webp",
    ]

    private static func isShowable(_ mediaType: String) -> Bool {
        ContentType(mediaType).map { shown.contains($0.essence) } ?? false
    }
}

/// `Content-Disposition` of an answer (RFC 6266), from a name that a client or a model chose.
enum ContentDisposition {
    static func header(filename: String?, isShown: Bool) -> String {
        let kind = isShown ? "inline" : "attachment"
        guard let filename = filename.map(PartHeader.displayable), !filename.isEmpty else { return kind }
        let plain = String(
            decoding: filename.utf8.map { byte in
                (0x20..<0x7F).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && byte != UInt8(ascii: "%")
                    ? byte : UInt8(ascii: "_")
            }, as: UTF8.self)
        guard plain != filename else { return "\(kind); filename=\"\(plain)\"" }
        let encoded = filename.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
        return "\(kind); filename=\"\(plain)\"; filename*=UTF-8''\(encoded)"
    }

    private static let unreserved = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")

    /// A name for an output that has none: `result.json`.
    static func filename(of file: JobFile) -> String {
        if let filename = file.filename, !filename.isEmpty { return filename }
        return filename(named: file.name, mediaType: file.mediaType)
    }

    static func filename(named name: String, mediaType: String) -> String {
        guard !name.contains("."), let ending = endings[ContentType(mediaType)?.essence ?? ""] else { return name }
        return "\(name).\(ending)"
    }

    private static let endings = [
        "application/json": "json", "text/plain": "txt", "text/csv": "csv", "application/x-ndjson": "jsonl", "image/png": "png",
        "image/jpeg": "jpg", "image/webp": "webp", "application/pdf": "pdf", "application/zip": "zip", "text/html": "html",
    ]
}
