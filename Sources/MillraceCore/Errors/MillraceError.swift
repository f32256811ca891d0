/// An error with a stable code for machines, a message for people and, where one exists, a hint how to mend it.
///
/// The HTTP face (status, problem document) is made at the edge from the ``code``. No secret is ever put into a message.
public struct MillraceError: Error, Sendable, Equatable, CustomStringConvertible {
    public var code: ErrorCode
    public var message: String
    public var hint: String?
    /// When it makes sense to ask again, for an error that passes.
    public var retryAfter: Duration?

    public init(_ code: ErrorCode, _ message: String, hint: String? = nil, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
        self.retryAfter = retryAfter
    }

    public var description: String {
        "\(code): \(message)" + (hint.map { " (\($0))" } ?? "")
    }
}

/// The registry of error codes that Millrace itself raises. A handler may add codes of its own to a ``JobFailure``.
public struct ErrorCode: Sendable, Hashable, RawRepresentable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    private init(_ rawValue: String) { self.rawValue = rawValue }
    public var description: String { rawValue }

    // Requests.
    public static let malformedRequest = Self("malformed_request")
    public static let unknownParameter = Self("unknown_parameter")
    public static let invalidParameter = Self("invalid_parameter")
    public static let missingParameter = Self("missing_parameter")
    public static let missingInput = Self("missing_input")
    public static let emptyFile = Self("empty_file")
    public static let tooLarge = Self("too_large")
    public static let tooManyFiles = Self("too_many_files")
    public static let tooManyPages = Self("too_many_pages")
    public static let unsupportedMediaType = Self("unsupported_media_type")
    public static let imageTooLarge = Self("image_too_large")
    public static let unauthorized = Self("unauthorized")
    public static let forbidden = Self("forbidden")
    public static let notFound = Self("not_found")
    public static let methodNotAllowed = Self("method_not_allowed")
    public static let endpointUnknown = Self("endpoint_unknown")
    public static let jobUnknown = Self("job_unknown")
    public static let blobUnknown = Self("blob_unknown")
    public static let resultNotReady = Self("result_not_ready")
    public static let idempotencyConflict = Self("idempotency_conflict")
    public static let stateConflict = Self("state_conflict")
    public static let rangeNotSatisfiable = Self("range_not_satisfiable")
    public static let callbackRefused = Self("callback_refused")
    public static let quotaExceeded = Self("quota_exceeded")
    public static let endpointDraining = Self("endpoint_draining")
    public static let unavailable = Self("unavailable")
    public static let `internal` = Self("internal_error")

    // Workers and leases.
    public static let workerUnknown = Self("worker_unknown")
    public static let leaseLost = Self("lease_lost")
    /// Another gateway leads now.
    public static let leadershipLost = Self("leadership_lost")

    // Why a job failed.
    public static let workerLost = Self("worker_lost")
    public static let runLimitExceeded = Self("run_limit_exceeded")
    public static let deadlineExceeded = Self("deadline_exceeded")
    public static let handlerError = Self("handler_error")
    public static let handlerCrashed = Self("handler_crashed")
    public static let handlerProtocol = Self("handler_protocol")
    public static let modelUnavailable = Self("model_unavailable")
    /// The model itself refused a batch or answered with what cannot be read.
    public static let modelError = Self("model_error")
    public static let invalidInput = Self("invalid_input")
    public static let imageDamaged = Self("image_damaged")
    public static let pdfDamaged = Self("pdf_damaged")
    public static let pdfEncrypted = Self("pdf_encrypted")
    public static let columnMissing = Self("column_missing")
    public static let csvMalformed = Self("csv_malformed")
    public static let textEncoding = Self("text_encoding")
    public static let outOfMemory = Self("out_of_memory")
    public static let storageFull = Self("storage_full")
    public static let inputUnavailable = Self("input_unavailable")

    // Setting up.
    public static let invalidSettings = Self("invalid_settings")
    public static let invalidManifest = Self("invalid_manifest")
}
