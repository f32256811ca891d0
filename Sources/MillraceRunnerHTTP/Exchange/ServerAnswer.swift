import AsyncHTTPClient
import Foundation
import MillraceCore
import MillraceInference
import NIOCore
import NIOHTTP1

/// The body of an answer on its way: in memory while it is short, else in a file of the job's work directory.
struct ServerAnswer {
    private let contentType: ContentType?
    private let mediaType: String
    private let bytesMax: Int64
    private let inMemoryMax: Int
    private let workdir: String
    private var bytes: [UInt8] = []
    private var total: Int64 = 0
    private var file: FileHandle?

    init(_ response: HTTPClientResponse, bytesMax: Int64, inMemoryMax: Int, workdir: String) {
        let header = response.headers.first(name: "Content-Type") ?? ""
        contentType = ContentType(header)
        let isPlain = header.utf8.count <= 255 && header.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        mediaType = contentType == nil || !isPlain ? ContentType.unknown : header
        self.bytesMax = bytesMax
        self.inMemoryMax = inMemoryMax
        self.workdir = workdir
    }

    /// - Throws: ``JobFailure`` when the answer is too long or cannot be written.
    mutating func take(_ buffer: ByteBuffer) throws {
        total += Int64(buffer.readableBytes)
        guard total <= bytesMax else {
            throw JobFailure(
                .tooLarge, "the model server's answer has more than \(bytesMax) bytes", hint: "raise server.bytesMax in model.yaml")
        }
        bytes += buffer.readableBytesView
        if bytes.count > inMemoryMax { try flush() }
    }

    /// The body as a reply: short JSON as a value, anything else as the file it is.
    mutating func finish() throws -> HandlerReply {
        if total == 0 { return HandlerReply(jsonText: RawJSON(.null), outputs: []) }
        if file == nil, isJSON, let text = String(validating: bytes, as: UTF8.self),
            (try? MillraceJSON.fastDecode(JSONValue.self, from: bytes)) != nil
        {
            return HandlerReply(jsonText: RawJSON(trusting: text), outputs: [])
        }
        try flush()
        try file?.close()
        return HandlerReply(jsonText: nil, outputs: [.init(name: name, path: path, mediaType: mediaType)])
    }

    private var path: String { workdir + "/" + name }

    private mutating func flush() throws {
        do {
            if file == nil {
                guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path) else {
                    throw CocoaError(errno == ENOSPC ? .fileWriteOutOfSpace : .fileWriteUnknown)
                }
                self.file = file
            }
            try file?.write(contentsOf: Data(bytes))
        } catch {
            let isFull = (error as? CocoaError)?.code == .fileWriteOutOfSpace
            throw JobFailure(isFull ? .storageFull : .internal, "the answer cannot be written: \(error)", retryable: true)
        }
        bytes.removeAll(keepingCapacity: true)
    }

    private var isJSON: Bool {
        contentType.map { $0.essence == "application/json" || $0.subtype.hasSuffix("+json") } ?? false
    }

    /// `result` with the usual ending of its type, where there is one.
    private var name: String {
        if isJSON { return "result.json" }
        return "result" + (contentType.flatMap { Self.endings[$0.essence] } ?? "")
    }

    private static let endings = [
        "text/plain": ".txt", "text/csv": ".csv", "text/html": ".html", "application/jsonlines": ".jsonl",
        "application/x-ndjson": ".jsonl", "application/pdf": ".pdf", "application/zip": ".zip", "application/x-npy": ".npy",
        "image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "audio/wav": ".wav", "video/mp4": ".mp4",
    ]
}
