import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceQueue

/// Says in whose name a request acts, or refuses it.
///
/// A key comes as `Authorization: Bearer mr_...` or `X-API-Key`, never in the query: addresses end up in logs.
struct Doorkeeper: Sendable {
    /// For clients' doors; `nil`: nobody is asked for a key.
    let keys: APIKeys?
    /// For workers' doors; `nil` on the Unix socket alone, whose file permission is the guard.
    let workerKeys: APIKeys?

    func principal(of request: Request, at lock: Doors.Lock) async throws -> Principal {
        switch lock {
        case .open: return .anyone
        case .key:
            guard let keys else { return .anyone }
            return Principal(tenant: try await record(of: request, as: .client, in: keys).tenant)
        case .worker:
            guard let workerKeys else { return .anyone }
            let record = try await record(of: request, as: .worker, in: workerKeys)
            return Principal(tenant: record.tenant, worker: WorkerAccess(record))
        }
    }

    private func record(of request: Request, as kind: KeyRecord.Kind, in keys: APIKeys) async throws -> KeyRecord {
        guard let key = Self.key(in: request) else {
            throw Self.refusal(kind == .client ? "an API key is needed" : "a worker key is needed", kind, error: nil)
        }
        guard let record = try await keys.verify(key) else {
            throw Self.refusal(kind == .client ? "this API key is not valid" : "this worker key is not valid", kind, error: "invalid_token")
        }
        guard record.kind == kind else {
            let message = kind == .client ? "this is a worker's key, which opens nothing but workers' routes" : "this is a client's key; workers have their own"
            throw Self.refusal(message, kind, error: "invalid_token")
        }
        return record
    }

    private static func key(in request: Request) -> String? {
        if let header = request.headers[.authorization] {
            let parts = header.split(separator: " ", maxSplits: 1)
            return parts.count == 2 && parts[0].lowercased() == "bearer" ? parts[1].trimmingPrefix(" ").description : ""
        }
        return request.headers[.apiKey]
    }

    private static func refusal(_ message: String, _ kind: KeyRecord.Kind, error: String?) -> Problem {
        let challenge = "Bearer realm=\"millrace\"" + (error.map { ", error=\"\($0)\"" } ?? "")
        let (prefix, flag) = kind == .client ? ("mr_", "") : ("mrw_", " --worker")
        return Problem(
            .unauthorized, message,
            hint: "send \"Authorization: Bearer \(prefix)...\"; keys are made with \"millrace keys create\(flag)\"",
            headers: [.wwwAuthenticate: challenge])
    }
}
