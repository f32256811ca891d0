import Dispatch
import Synchronization

/// Runs parts of one piece of work side by side on blocking threads.
public enum Lanes {
    /// Calls `body` with every index, `lanes` calls at a time, in no order of ending. Blocks until all have returned.
    ///
    /// - Throws: The first error of a call; parts that have not begun by then are left out.
    public static func forEach(_ count: Int, lanes: Int, _ body: @Sendable (Int) throws -> Void) throws {
        let width = min(max(1, lanes), count)
        guard width > 1 else {
            for index in 0..<count { try body(index) }
            return
        }
        let state = Mutex<(next: Int, failure: (any Error)?)>((0, nil))
        DispatchQueue.concurrentPerform(iterations: width) { _ in
            while let index = state.withLock({ state -> Int? in
                guard state.failure == nil, state.next < count else { return nil }
                defer { state.next += 1 }
                return state.next
            }) {
                do {
                    try body(index)
                } catch {
                    state.withLock { $0.failure = $0.failure ?? error }
                }
            }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}
