/// How often and how soon a failed attempt is tried again.
public struct RetryPolicy: Sendable, Codable, Equatable {
    /// Attempts in all, the first one included, before an error is final.
    public var attemptsMax: Int
    /// Deaths of a worker under this job before it fails as `worker_lost`.
    public var crashesMax: Int
    public var backoffBase: Duration
    public var backoffMax: Duration

    /// The longest delay that a handler may ask for.
    public static let retryAfterMax: Duration = .seconds(30 * 86_400)

    public init(
        attemptsMax: Int = 4, crashesMax: Int = 3, backoffBase: Duration = .seconds(1), backoffMax: Duration = .seconds(300)
    ) {
        self.attemptsMax = attemptsMax
        self.crashesMax = crashesMax
        self.backoffBase = backoffBase
        self.backoffMax = backoffMax
    }

    /// The wait before the try after `failures` failed ones: full jitter, a random part of `base * 2^(failures-1)`, capped.
    ///
    /// Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
    /// - Parameter fraction: a random number from 0 up to 1.
    public func backoff(afterFailures failures: Int, fraction: Double) -> Duration {
        let doublings = min(max(failures - 1, 0), 30)
        let ceiling = min(backoffBase * (1 << doublings), backoffMax)
        return ceiling * fraction
    }
}
