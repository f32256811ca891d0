import Logging
import MillraceCore

/// Repeats transfers that the network spoils, with longer and longer waits.
struct Repetition: Sendable {
    /// How often a transfer that comes to a wrong end is begun.
    static let spoiledMax = 3

    /// A transfer that came to an end, but not to the right one.
    struct Spoiled: Error, CustomStringConvertible { var description: String }
    /// Nobody was there to answer, or not to the end.
    struct Unanswered: Error, CustomStringConvertible { var description: String }

    /// How long to repeat what finds nobody.
    let patience: Duration
    let surroundings: Surroundings
    let logger: Logger

    /// - Parameters:
    ///   - what: for the log: `fetching "scan.pdf"`.
    ///   - isFinal: what no repetition helps against.
    ///   - giveUp: makes the error for what did not succeed, from the last that happened.
    func callAsFunction<Value>(
        _ what: String, unless isFinal: (any Error) -> Bool, giveUp: (any Error) -> any Error, _ body: () async throws -> Value
    ) async throws -> Value {
        let giveUpAt = surroundings.now() + patience
        var (tries, spoiled) = (0, 0)
        while true {
            do {
                return try await body()
            } catch where !isFinal(error) {
                try Task.checkCancellation()
                tries += 1
                if error is Spoiled { spoiled += 1 }
                guard surroundings.now() < giveUpAt, spoiled < Self.spoiledMax else { throw giveUp(error) }
                if tries == 1 { logger.warning("a transfer broke off; trying again", metadata: ["transfer": "\(what)", "error": "\(error)"]) }
                try await surroundings.sleep(.backoff(after: tries, upTo: .seconds(5), surroundings))
            }
        }
    }
}

extension Duration {
    /// A wait that doubles with each failure from 100 ms on, less a random part, so that many who lost the same server do not come
    /// back at once.
    package static func backoff(after failures: Int, upTo limit: Duration, _ surroundings: Surroundings) -> Duration {
        min(.milliseconds(100) * (1 << min(failures, 12)), limit) * (0.5 + 0.5 * surroundings.fraction())
    }
}
