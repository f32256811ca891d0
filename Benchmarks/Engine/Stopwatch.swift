/// Adds up the time of what it is told to measure.
struct Stopwatch {
    private(set) var seconds = 0.0
    private let clock = ContinuousClock()

    mutating func measure<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        let start = clock.now
        let value = try await body()
        seconds += (clock.now - start) / .seconds(1)
        return value
    }
}
