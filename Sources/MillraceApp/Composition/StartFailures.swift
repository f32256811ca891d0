import Synchronization

/// Why workers of an endpoint could not start, until one does: what `GET /v1/endpoints` shows as its problem.
final class StartFailures: Sendable {
    private let reasons = Mutex<[String: String]>([:])

    func failed(_ endpoint: String, status: String, stderrTail: String) {
        let last = stderrTail.split(separator: "\n").suffix(3).joined(separator: "\n")
        reasons.withLock { $0[endpoint] = "its last worker could not start (\(status)): \(last)" }
    }

    func succeeded(_ endpoint: String) {
        reasons.withLock { _ = $0.removeValue(forKey: endpoint) }
    }

    func problem(of endpoint: String) -> String? {
        reasons.withLock { $0[endpoint] }
    }
}
