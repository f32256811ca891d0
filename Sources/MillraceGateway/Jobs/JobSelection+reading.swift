import Foundation
import Hummingbird
import MillraceCore
import MillraceQueue
import MillraceWire

extension JobSelection {
    static let queryKeys = ["endpoint", "state", "code", "createdAfter", "createdBefore"]

    init(_ query: QueryItems) throws {
        self.init(
            endpoint: query["endpoint"], state: try query["state"].map { try Self.states($0.split(separator: ",").map(String.init)) },
            code: query["code"], createdAfter: try query.time("createdAfter"), createdBefore: try query.time("createdBefore"))
    }

    /// Reads the body of an action on many jobs, which must say which.
    init(_ request: Request, bytesMax: Int) async throws {
        let body = try await request.bytes(atMost: bytesMax)
        let missing = MillraceError(
            .malformedRequest, "the request does not say which jobs are meant",
            hint: "name at least one of \(Self.queryKeys.joined(separator: ", ")), or say {\"all\": true}")
        guard !body.isEmpty else { throw missing }
        let fields: Fields = try Request.json(body, fields: Self.queryKeys + ["all"])
        self.init(
            endpoint: fields.endpoint, state: try fields.state.map { try Self.states(try Self.names($0)) }, code: fields.code,
            createdAfter: fields.createdAfter, createdBefore: fields.createdBefore, all: fields.all)
        guard isNarrowed || all == true else { throw missing }
    }

    private struct Fields: Decodable {
        var endpoint: String?
        var state: JSONValue?
        var code: String?
        var createdAfter: Timestamp?
        var createdBefore: Timestamp?
        var all: Bool?
    }

    /// `"queued,running"` or `["queued", "running"]`.
    private static func names(_ value: JSONValue) throws -> [String] {
        if let text = value.stringValue { return text.split(separator: ",").map(String.init) }
        guard case .array(let list) = value, let names = list.map(\.stringValue) as? [String] else {
            throw MillraceError(.malformedRequest, "\"state\" must be a list of states")
        }
        return names
    }

    private static func states(_ wanted: [String]) throws -> [JobState] {
        let names = JobState.allCases.map(\.rawValue)
        guard !wanted.isEmpty else {
            throw MillraceError(.malformedRequest, "\"state\" names no state", hint: "states: \(names.joined(separator: ", "))")
        }
        return try wanted.map { name in
            if let state = JobState(rawValue: name) { return state }
            let near = Spelling.nearest(to: name, in: names)
            throw MillraceError(
                .malformedRequest, "\"\(name)\" is no state of a job",
                hint: near.map { "did you mean \"\($0)\"?" } ?? "states: \(names.joined(separator: ", "))")
        }
    }

    /// Never beyond the caller's own jobs.
    func filter(tenant: String) -> JobFilter {
        JobFilter(
            tenant: tenant, endpoint: endpoint, states: state.map(Set.init), createdFrom: createdAfter, createdBefore: createdBefore,
            failureCode: code)
    }

    /// - Throws: `malformed_request` when a state is named that the action cannot change.
    func checked(for allowed: Set<JobState>, _ action: String) throws -> JobSelection {
        for state in state ?? [] where !allowed.contains(state) {
            let possible = JobState.allCases.filter(allowed.contains).map(\.rawValue).joined(separator: ", ")
            throw MillraceError(.malformedRequest, "jobs that are \(state.rawValue) cannot be \(action)", hint: "possible states: \(possible)")
        }
        return self
    }
}
