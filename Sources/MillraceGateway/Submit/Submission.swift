import Crypto
import Foundation
import MillraceCore

/// What a client asks for, in whichever form it came: a form, JSON, or the bare bytes of a file.
struct Submission: Sendable, Equatable {
    var files: [JobFile] = []
    var input: JSONValue?
    /// As given; the manifest has not seen them yet.
    var parameters: [String: JSONValue] = [:]
    var priority: Int?
    var callback: String?
    var timeToLive: Duration?

    /// Adds a parameter; each may be given once.
    mutating func add(parameter name: String, _ value: JSONValue) throws {
        guard parameters.updateValue(value, forKey: name) == nil else {
            throw MillraceError(.invalidParameter, "parameter \"\(name)\" is given twice")
        }
    }

    /// Checks what holds for every endpoint.
    func checked(for manifest: ModelManifest) throws -> Submission {
        if let priority, !(0...9).contains(priority) {
            throw MillraceError(.invalidParameter, "\"priority\" must be from 0 (last) to 9 (first)")
        }
        if let timeToLive, timeToLive <= .zero {
            throw MillraceError(.invalidParameter, "\"timeToLiveSeconds\" must be more than 0")
        }
        guard !files.isEmpty || input != nil || manifest.inputIsOptional else {
            throw MillraceError(
                .missingInput, "the request has no input",
                hint: "send a file (curl -F file=@photo.jpg ...), or JSON: {\"input\": ...}")
        }
        guard files.isEmpty || input == nil else {
            throw MillraceError(.malformedRequest, "the request has files and \"input\"", hint: "give one of the two")
        }
        return self
    }

    /// Seconds as a time to live.
    static func timeToLive(seconds: Double) throws -> Duration {
        guard seconds.isFinite, seconds > 0, seconds < 1e10 else {
            throw MillraceError(.invalidParameter, "\"timeToLiveSeconds\" must be more than 0 and less than 10000000000")
        }
        return .milliseconds(Int64(seconds * 1000))
    }

    /// What makes two requests the same, for `Idempotency-Key`: the endpoint, all that is asked, and what the files contain.
    func fingerprint(method: String, endpoint: String, parameters: [String: JSONValue]) throws -> String {
        let parts: JSONValue = [
            "method": .string(method), "endpoint": .string(endpoint), "parameters": .object(parameters),
            "input": input ?? .null, "priority": priority.map { .integer(Int64($0)) } ?? .null,
            "callback": callback.map { .string($0) } ?? .null,
            "timeToLive": timeToLive.map { .integer($0.milliseconds) } ?? .null,
            "files": .array(files.map { [.string($0.name), .string($0.filename ?? ""), .string($0.sha256)] }),
        ]
        return SHA256.hash(data: try MillraceJSON.encode(parts)).hexadecimal
    }
}
