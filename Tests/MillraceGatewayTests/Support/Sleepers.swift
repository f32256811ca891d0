import MillraceCore
import Synchronization

/// The machine's own surroundings, that say how many sleep now, and for how long.
final class Sleepers: Sendable {
    private let state = Mutex<[Duration: Int]>([:])

    func count(of duration: Duration) -> Int { state.withLock { $0[duration, default: 0] } }

    var surroundings: Surroundings {
        var surroundings = Surroundings.system
        surroundings.sleep = { duration in
            self.state.withLock { $0[duration, default: 0] += 1 }
            defer { self.state.withLock { $0[duration, default: 0] -= 1 } }
            try await Surroundings.system.sleep(duration)
        }
        return surroundings
    }
}
