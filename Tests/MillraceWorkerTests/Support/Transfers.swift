import Crypto
import Foundation
import Logging
import MillraceCore
import MillraceFakeServer
import MillraceTestSupport
import Synchronization

@testable import MillraceWorker

extension Repetition {
    /// Of a clock that moves by what is slept, so that nobody waits.
    static func hurried(_ clock: ManualClock = ManualClock(), patience: Duration = .seconds(900)) -> Repetition {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let random = clock.surroundings
        return Repetition(
            patience: patience,
            surroundings: Surroundings(now: { clock.now }, sleep: { clock.step(by: $0) }, random: { random.random() }), logger: logger)
    }
}

extension String {
    var digest: String { SHA256.hash(data: Data(utf8)).hexadecimal }
}

/// Answers one after another; the last one again and again.
final class Replies: Sendable {
    private let left: Mutex<[FakeServer.Reply]>

    init(_ replies: [FakeServer.Reply]) { left = Mutex(replies) }

    func next() -> FakeServer.Reply { left.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] } }
}
