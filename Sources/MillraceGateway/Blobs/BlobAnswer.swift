import Foundation
import HTTPTypes
import Hummingbird
import MillraceCloud
import MillraceCore
import NIOCore

/// Gives a blob's bytes out: streamed, with its digest as `ETag`, in ranges.
struct BlobAnswer: Sendable {
    let blobs: any BlobStore

    func response(to request: Request, with file: JobFile, filename: String?) async throws -> Response {
        let tag = "\"\(file.sha256)\""
        var headers: HTTPFields = [.eTag: tag, .acceptRanges: "bytes", .cacheControl: "private, no-cache"]
        if Self.matches(request.headers[.ifNoneMatch], tag) { return Response(status: .notModified, headers: headers) }
        headers[.contentType] = ContentType(file.mediaType) != nil ? file.mediaType : ContentType.unknown
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
        _ file: JobFile, _ part: Range<Int64>?, _ status: HTTPResponse.Status, _ headers: HTTPFields, _ request: Request
    ) async throws -> Response {
        let length = Int(part.map { $0.upperBound - $0.lowerBound } ?? file.bytes)
        guard request.method != .head, length > 0 else {
            var headers = headers
            headers[.contentLength] = "\(length)"
            return Response(status: status, headers: headers)
        }
        let content = try await blobs.read(file.blob, range: part)
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
        guard !file.name.contains("."), let ending = endings[ContentType(file.mediaType)?.essence ?? ""] else { return file.name }
        return "\(file.name).\(ending)"
    }

    private static let endings = [
        "application/json": "json", "text/plain": "txt", "text/csv": "csv", "application/x-ndjson": "jsonl", "image/png": "png",
        "image/jpeg": "jpg", "image/webp": "webp", "application/pdf": "pdf", "application/zip": "zip", "text/html": "html",
    ]
}
