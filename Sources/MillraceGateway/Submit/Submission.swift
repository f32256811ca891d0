import Crypto
import Foundation
import MillraceCore

/// What a client asks for, in whichever form it came: a form, JSON, or the bare bytes of a file.
struct Submission: Sendable, Equatable {
    var files: [JobFile] = []
    var input: RawJSON?
    /// As given; the manifest has not seen them yet.
    var parameters: [String: JSONValue] = [:]
    var priority: Int?
    var callback: String?
    var timeToLive: Duration?
    var start: Start?
    /// From acceptance to the end of the whole job.
    var deadline: Duration?

    /// When a job may run at the earliest.
    enum Start: Sendable, Equatable {
        case at(Timestamp)
        case after(Duration)
    }

    /// How far ahead a job may be put off.
    static let startMax: Duration = .seconds(366 * 86_400)

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
        if let deadline, deadline <= .zero {
            throw MillraceError(.invalidParameter, "\"deadlineSeconds\" must be more than 0")
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
    static func timeToLive(seconds: Double) throws -> Duration { try duration(seconds, "timeToLiveSeconds") }

    /// A field's seconds: more than none, to the millisecond.
    static func duration(_ seconds: Double, _ name: String) throws -> Duration {
        guard seconds.isFinite, seconds > 0, seconds < 1e10 else {
            throw MillraceError(.invalidParameter, "\"\(name)\" must be more than 0 and less than 10000000000")
        }
        return .milliseconds(Int64(seconds * 1000))
    }

    /// Puts the job off; by one of the two ways.
    mutating func putOff(_ start: Start) throws {
        guard self.start == nil else {
            throw MillraceError(.invalidParameter, "the job is given two times to start", hint: "give \"runAt\" or \"delaySeconds\", once")
        }
        self.start = start
    }

    /// When the job may run, and until when it must be done.
    /// - Throws: `invalid_parameter` when the start is too far away or the deadline comes before it.
    func times(acceptedAt now: Timestamp, for endpoint: EndpointConfiguration) throws -> (runAt: Timestamp, expiresAt: Timestamp?, deadline: Timestamp?) {
        let asked: Timestamp =
            switch start {
            case .at(let time): time
            case .after(let delay): now + delay
            case nil: now
            }
        guard asked <= now + Self.startMax else {
            throw MillraceError(.invalidParameter, "the job would run at \(asked), which is more than a year from now")
        }
        // A time that has passed means at once: a repeated request must be answered as the first one was.
        let runAt = max(asked, now)
        let deadline = (deadline ?? endpoint.deadline).map { now + $0 }
        if let deadline, deadline <= runAt, start != nil {
            throw MillraceError(
                .invalidParameter, "the job may run from \(runAt) on, but must have ended at \(deadline)",
                hint: self.deadline == nil
                    ? "\"\(endpoint.name)\" ends jobs after \(Int(endpoint.deadline?.seconds ?? 0)) s; give a longer \"deadlineSeconds\""
                    : "\"deadlineSeconds\" counts from now, not from the start")
        }
        // Time in the queue counts from when the job may leave it.
        return (runAt, (timeToLive ?? endpoint.timeToLive).map { runAt + $0 }, deadline)
    }

    /// What makes two requests the same, for `Idempotency-Key`: the endpoint, all that is asked, and what the files contain.
    func fingerprint(method: String, endpoint: String, parameters: [String: JSONValue]) throws -> String {
        var parts: [String: JSONValue] = [
            "method": .string(method), "endpoint": .string(endpoint), "parameters": .object(parameters),
            "input": input?.value ?? .null, "priority": priority.map { .integer(Int64($0)) } ?? .null,
            "callback": callback.map { .string($0) } ?? .null,
            "timeToLive": timeToLive.map { .integer($0.milliseconds) } ?? .null,
            "files": .array(files.map { [.string($0.name), .string($0.filename ?? ""), .string($0.sha256)] }),
        ]
        // Only where they are given: requests without them keep the fingerprint that they had before there were these fields.
        switch start {
        case .at(let time): parts["runAt"] = .integer(time.milliseconds)
        case .after(let delay): parts["delay"] = .integer(delay.milliseconds)
        case nil: break
        }
        if let deadline { parts["deadline"] = .integer(deadline.milliseconds) }
        return SHA256.hash(data: try MillraceJSON.encode(JSONValue.object(parts))).hexadecimal
    }
}
