import AsyncHTTPClient
import Foundation
import MillraceCore
import MillraceInference
import NIOCore

/// What of a job goes to a model server as the body of one request.
enum RequestContent: Equatable {
    case json(RawJSON)
    case file(HandlerRequest.File)
    case nothing

    init(_ request: HandlerRequest, _ dialect: ServerDialect) throws(JobFailure) {
        let isOpenInference = dialect != .invocations
        switch (request.files.count, request.inputText) {
        case (0, let input?): self = .json(input)
        case (0, nil) where isOpenInference:
            throw JobFailure(.missingInput, "an inference request is JSON", hint: #"send {"input": {"inputs": [...]}}"#)
        case (0, nil): self = .nothing
        case (1, nil):
            let file = request.files[0]
            guard !isOpenInference || ContentType(file.mediaType)?.essence == "application/json" else {
                throw JobFailure(
                    .unsupportedMediaType, "an inference request is JSON, not \(file.mediaType)",
                    hint: "send the JSON of the Open Inference Protocol as the job's input")
            }
            self = .file(file)
        default:
            throw JobFailure(
                .invalidInput, "a model server is given one file or one JSON value, and this job has more",
                hint: "send each file as a job of its own")
        }
    }

    var mediaType: String? {
        switch self {
        case .json: "application/json"
        case .file(let file): file.mediaType
        case .nothing: nil
        }
    }

    func body() throws(JobFailure) -> HTTPClientRequest.Body? {
        switch self {
        case .json(let json): return .bytes(ByteBuffer(string: json.text))
        case .nothing: return nil
        case .file(let file):
            guard let handle = FileHandle(forReadingAtPath: file.path) else {
                throw JobFailure(.inputUnavailable, "the input \"\(file.name)\" cannot be read", retryable: true)
            }
            return .stream(FileChunks(handle), length: .known(file.bytes))
        }
    }
}

/// The bytes of a file, piece by piece.
struct FileChunks: AsyncSequence, Sendable {
    private static let chunkBytes = 1 << 18
    private let handle: FileHandle

    init(_ handle: FileHandle) { self.handle = handle }

    struct Iterator: AsyncIteratorProtocol {
        let handle: FileHandle

        func next() async throws -> ByteBuffer? {
            guard let chunk = try handle.read(upToCount: FileChunks.chunkBytes), !chunk.isEmpty else { return nil }
            return ByteBuffer(bytes: chunk)
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(handle: handle) }
}

extension RawJSON {
    /// The same value in ASCII on one line, as a header carries it.
    var asHeader: String {
        text.unicodeScalars.reduce(into: "") { header, scalar in
            switch scalar {
            case "\n", "\r", "\t": header += " "
            case " "..."~": header.unicodeScalars.append(scalar)
            default: header += String(scalar).utf16.map { String(format: "\\u%04x", $0) }.joined()
            }
        }
    }
}
