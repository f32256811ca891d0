import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceQueue

/// Says in whose name a request acts, or refuses it.
///
/// A key comes as `Authorization: Bearer mr_...` or `X-API-Key`, never in the query: addresses end up in logs.
struct Doorkeeper: Sendable {
    /// `nil`: nobody is asked for a key.
    let keys: APIKeys?

    func principal(of request: Request) async throws -> Principal {
        guard let keys else { return .anyone }
        guard let key = Self.key(in: request) else {
            throw Self.refusal("an API key is needed", error: nil)
        }
        guard let record = try await keys.verify(key) else {
            throw Self.refusal("this API key is not valid", error: "invalid_token")
        }
        return Principal(tenant: record.tenant)
    }

    private static func key(in request: Request) -> String? {
        if let header = request.headers[.authorization] {
            let parts = header.split(separator: " ", maxSplits: 1)
            return parts.count == 2 && parts[0].lowercased() == "bearer" ? parts[1].trimmingPrefix(" ").description : ""
        }
        return request.headers[.apiKey]
    }

    private static func refusal(_ message: String, error: String?) -> Problem {
        let challenge = "Bearer realm=\"millrace\"" + (error.map { ", error=\"\($0)\"" } ?? "")
        return Problem(
            .unauthorized, message,
            hint: "send \"Authorization: Bearer mr_...\"; keys are made with \"millrace keys create\"",
            headers: [.wwwAuthenticate: challenge])
    }
}
