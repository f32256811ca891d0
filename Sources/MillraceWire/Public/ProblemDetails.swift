import MillraceCore

/// `application/problem+json` (RFC 9457), with a stable `code` and a `hint` how to mend it.
public struct ProblemDetails: Sendable, Codable, Equatable, Error {
    public static let mediaType = "application/problem+json"

    /// A URN made from the code: `urn:millrace:error:unknown_parameter`.
    public var type: String
    /// The status in words.
    public var title: String
    public var status: Int
    public var detail: String
    public var code: String
    public var hint: String?

    public init(status: Int, title: String, code: String, detail: String, hint: String? = nil) {
        self.type = "urn:millrace:error:\(code)"
        self.title = title
        self.status = status
        self.detail = detail
        self.code = code
        self.hint = hint
    }
}
