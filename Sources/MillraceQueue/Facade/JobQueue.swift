import Logging
import Metrics
import MillraceCore
import Tracing

/// The queue as the rest of Millrace uses it: any store, with spans and metrics around it, and ways to wait.
///
/// It is a store itself, so whatever takes a store takes the queue, and no backend can forget to be measured. Spans are
/// called `millrace.queue.<operation>`; metrics are listed in ``QueueMetric``.
public struct JobQueue: Sendable {
    public let store: any Store
    public let surroundings: Surroundings
    let meters: QueueMeters

    public init(
        _ store: any Store, surroundings: Surroundings = .system, metrics: any MetricsFactory = MetricsSystem.factory
    ) {
        self.store = store
        self.surroundings = surroundings
        meters = QueueMeters(factory: metrics)
    }

    /// How often a wait looks again when no hint came: hints may be lost.
    static let pollInterval: Duration = .seconds(1)

    /// Runs an operation on the store in a span, measured, with its failures counted.
    func observed<Value>(
        _ operation: String, _ kind: SpanKind = .internal, _ attributes: (any Span) -> Void = { _ in },
        _ body: (any Span) async throws -> Value
    ) async throws -> Value {
        let start = surroundings.now()
        defer { meters.record(.storeSeconds, surroundings.now().since(start), [("operation", operation)]) }
        return try await withSpan("millrace.queue.\(operation)", ofKind: kind) { span in
            attributes(span)
            do {
                return try await body(span)
            } catch {
                let code = (error as? MillraceError)?.code ?? (error is CancellationError ? ErrorCode(rawValue: "cancelled") : .internal)
                meters.count(.storeErrors, [("operation", operation), ("code", code.rawValue)])
                throw error
            }
        }
    }
}
