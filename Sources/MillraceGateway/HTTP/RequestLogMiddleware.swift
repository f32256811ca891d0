import HTTPTypes
import Hummingbird
import Logging
import Metrics
import MillraceCore

/// Gives each request an id, counts and times it, writes the access log (at debug) and sets the headers that all answers have.
///
/// A path is logged without its query: signatures are in there.
struct RequestLogMiddleware: RouterMiddleware {
    let surroundings: Surroundings

    func handle(
        _ request: Request, context: GatewayContext, next: (Request, GatewayContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.requestID = Self.acceptable(request.headers[.requestID]) ?? fresh()
        context.logger[metadataKey: "request.id"] = "\(context.requestID)"
        let start = surroundings.now()
        var response = try await next(request, context)
        let duration = max(.zero, surroundings.now().since(start))
        response.headers[.requestID] = context.requestID
        response.headers[.xContentTypeOptions] = "nosniff"
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        count(request, context, response.status, duration)
        return response
    }

    private func count(_ request: Request, _ context: GatewayContext, _ status: HTTPResponse.Status, _ duration: Duration) {
        let route = context.endpointPath ?? "NotFound"
        let method = Self.methods.contains(request.method) ? request.method.rawValue : "OTHER"
        Counter(
            label: GatewayMetric.httpRequests.rawValue,
            dimensions: [("route", route), ("method", method), ("status", "\(status.code)")]
        ).increment()
        Metrics.Timer(label: GatewayMetric.httpSeconds.rawValue, dimensions: [("route", route)])
            .recordNanoseconds(Int64(duration.seconds * 1e9))
        context.logger.debug(
            "request",
            metadata: [
                "http.method": "\(method)", "http.path": "\(request.uri.path)", "http.status": "\(status.code)",
                "http.duration_ms": "\(duration.milliseconds)",
            ])
    }

    private static let methods: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .patch, .delete, .options]

    /// A client's own id is taken when it can do no harm in a log.
    private static func acceptable(_ id: String?) -> String? {
        guard let id, (1...128).contains(id.utf8.count) else { return nil }
        let isPlain = id.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        return isPlain ? id : nil
    }

    private func fresh() -> String {
        String(surroundings.random(), radix: 32)
    }
}

extension HTTPField.Name {
    static let requestID = Self("X-Request-Id")!
    static let prefer = Self("Prefer")!
    static let preferenceApplied = Self("Preference-Applied")!
    static let idempotencyKey = Self("Idempotency-Key")!
    static let idempotencyReplayed = Self("Idempotency-Replayed")!
    static let inferenceHeaderContentLength = Self("Inference-Header-Content-Length")!
    static let lastEventID = Self("Last-Event-ID")!
    static let traceparent = Self("traceparent")!
    static let apiKey = Self("X-API-Key")!
}
