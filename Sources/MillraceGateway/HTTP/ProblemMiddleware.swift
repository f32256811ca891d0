import HTTPTypes
import Hummingbird
import Logging
import MillraceCore

/// Turns every error into `application/problem+json`.
struct ProblemMiddleware: RouterMiddleware {
    /// An answer before the end of a body larger than this ends the connection: reading on would cost more than a new one.
    static let bodyBytesDrained = 64 * 1024

    func handle(
        _ request: Request, context: GatewayContext, next: (Request, GatewayContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let problem = Problem(describing: error)
            if problem.status.kind == .serverError {
                let level: Logger.Level = problem.error.code == .unavailable ? .warning : .error
                context.logger.log(
                    level: level, "request failed",
                    metadata: ["error": "\(error)", "http.method": "\(request.method)", "http.path": "\(request.uri.path)"])
            }
            var response = try problem.response()
            if Self.mayHaveBodyLeft(request) { response.headers[.connection] = "close" }
            return response
        }
    }

    private static func mayHaveBodyLeft(_ request: Request) -> Bool {
        if request.headers[.transferEncoding] != nil { return true }
        return request.headers[.contentLength].flatMap { Int($0) }.map { $0 > bodyBytesDrained } ?? false
    }
}
