import MillraceCore
import Testing

@Suite("A retry policy")
struct RetryPolicyTests {
    let policy = RetryPolicy(backoffBase: .seconds(1), backoffMax: .seconds(300))

    @Test("doubles the longest wait with each failure, up to its limit")
    func ceilings() {
        let longest = [1, 2, 3, 4, 9, 10, 1000].map { policy.backoff(afterFailures: $0, fraction: 1).seconds }
        #expect(longest == [1, 2, 4, 8, 256, 300, 300])
    }

    @Test("waits a random part of it")
    func jitter() {
        #expect(policy.backoff(afterFailures: 3, fraction: 0) == .zero)
        #expect(policy.backoff(afterFailures: 3, fraction: 0.25) == .seconds(1))
    }

    @Test("does not overflow, whatever the base")
    func overflow() {
        let policy = RetryPolicy(backoffBase: .seconds(86_400), backoffMax: .seconds(86_400))
        #expect(policy.backoff(afterFailures: .max, fraction: 1) == .seconds(86_400))
        #expect(policy.backoff(afterFailures: 0, fraction: 1) == .seconds(86_400))
    }
}

@Suite("A log line")
struct LogLineTests {
    @Test("is cut at its limit, once")
    func cut() throws {
        let line = LogLine(level: .info, message: String(repeating: "x", count: 5000))
        #expect(line.message.count == LogLine.messageCharactersMax + 3)
        #expect(LogLine(level: .info, message: "short").message == "short")
    }
}
