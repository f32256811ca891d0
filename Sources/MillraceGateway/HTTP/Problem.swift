import Foundation
import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceWire
import NIOCore
import NIOHTTP1

/// An error with the headers that its answer needs.
struct Problem: Error {
    var error: MillraceError
    var status: HTTPResponse.Status
    var headers: HTTPFields

    init(_ error: MillraceError, status: HTTPResponse.Status? = nil, headers: HTTPFields = [:]) {
        self.error = error
        self.status = status ?? error.code.status
        self.headers = headers
        if let wait = error.retryAfter {
            // Whole seconds (RFC 9110, 10.2.3): never sooner than was meant, and never at once.
            self.headers[.retryAfter] = "\(max(1, Int64(wait.seconds.rounded(.up))))"
        }
    }

    init(_ code: ErrorCode, _ message: String, hint: String? = nil, headers: HTTPFields = [:]) {
        self.init(MillraceError(code, message, hint: hint), headers: headers)
    }

    /// The face of any error. What nobody foresaw shows nothing of its inside.
    init(describing error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let error as MillraceError: self.init(error)
        case let error where error.isBrokenRequest:
            self.init(.malformedRequest, "the request broke off, or its body is not framed as HTTP has it", hint: "send it again")
        case is NIOTooManyBytesError: self.init(.tooLarge, "the request is larger than is allowed here")
        case let error as HTTPError where error.status == .notFound:
            self.init(.notFound, "there is nothing here", hint: "GET /v1/endpoints lists the endpoints")
        case let error as any HTTPResponseError where error.status.kind == .clientError:
            self.init(MillraceError(.malformedRequest, "the request could not be read"), status: error.status)
        case let error as DecodingError: self.init(.malformedRequest, error.inWords, hint: error.remedy)
        case is CancellationError: self.init(.unavailable, "the gateway is stopping", hint: "try again")
        default: self.init(.internal, "something went wrong inside the gateway", hint: "the log has more, under this request's id")
        }
    }

    var details: ProblemDetails {
        ProblemDetails(
            status: status.code, title: status.reasonPhrase, code: error.code.rawValue, detail: error.message, hint: error.hint)
    }

    func response() throws -> Response {
        var headers = headers
        headers[.contentType] = ProblemDetails.mediaType
        return Response(status: status, headers: headers, body: .init(byteBuffer: try .line(of: details)))
    }
}

extension Error {
    /// Whether reading the request failed because of the client: it hung up, or what it sent is no HTTP.
    fileprivate var isBrokenRequest: Bool {
        switch self {
        case is HTTPParserError, is ChannelError: true
        case let error as IOError: [ECONNRESET, EPIPE, ENOTCONN].contains(error.errnoCode)
        default: false
        }
    }
}

extension ErrorCode {
    /// The one table from codes to HTTP. Codes that only jobs fail with say that the job is in no state to give a result.
    var status: HTTPResponse.Status {
        switch self {
        case .malformedRequest: .badRequest
        case .unauthorized: .unauthorized
        case .forbidden: .forbidden
        case .notFound, .endpointUnknown, .jobUnknown, .blobUnknown, .workerUnknown: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .resultNotReady, .stateConflict, .leaseLost, .leadershipLost: .conflict
        case .tooLarge: .contentTooLarge
        case .unsupportedMediaType: .unsupportedMediaType
        case .rangeNotSatisfiable: .rangeNotSatisfiable
        case .quotaExceeded: .tooManyRequests
        case .unavailable, .endpointDraining: .serviceUnavailable
        case .storageFull: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
        case .unknownParameter, .invalidParameter, .missingParameter, .missingInput, .emptyFile, .tooManyFiles,
            .imageTooLarge, .idempotencyConflict, .callbackRefused, .invalidInput, .imageDamaged, .columnMissing,
            .csvMalformed, .textEncoding:
            .unprocessableContent
        default: .internalServerError
        }
    }
}

extension DecodingError {
    var remedy: String {
        if case .dataCorrupted(let context) = self, context.codingPath.isEmpty {
            return "check quotes, commas and brackets; in a shell, put the JSON between single quotes"
        }
        return "the fields of every request are described in docs/architecture/04-http-api.md"
    }

    /// Which field, and what is wrong with it.
    var inWords: String {
        switch self {
        case .keyNotFound(let key, let context): "the field \"\(Self.path(context.codingPath + [key]))\" is missing"
        case .valueNotFound(_, let context): "the field \"\(Self.path(context.codingPath))\" must not be null"
        case .typeMismatch(let type, let context):
            context.codingPath.isEmpty
                ? "the body must be a JSON \(Self.name(of: type))"
                : "the field \"\(Self.path(context.codingPath))\" must be \(Self.article(Self.name(of: type)))"
        case .dataCorrupted(let context):
            context.codingPath.isEmpty
                ? "the body is not valid JSON: \(context.debugDescription)" : "the field \"\(Self.path(context.codingPath))\" is not valid: \(context.debugDescription)"
        @unknown default: "the body could not be read"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce(into: "") { path, key in
            path += key.intValue.map { "[\($0)]" } ?? (path.isEmpty ? key.stringValue : ".\(key.stringValue)")
        }
    }

    private static func name(of type: any Any.Type) -> String {
        switch type {
        case is any FixedWidthInteger.Type: "integer"
        case is any BinaryFloatingPoint.Type: "number"
        case is Bool.Type: "boolean"
        case is String.Type: "string"
        case is any Collection.Type where "\(type)".hasPrefix("Array"): "array"
        default: "object"
        }
    }

    private static func article(_ name: String) -> String {
        (name.first.map { "aeio".contains($0) } ?? false ? "an " : "a ") + name
    }
}
