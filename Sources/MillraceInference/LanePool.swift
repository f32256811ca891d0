import Dispatch
import Synchronization

/// A model's lanes: threads that take parts of one piece of work after another, so that none is without a part while any is left.
///
/// The threads are the pool's own: whoever computes for long on those that Dispatch and Swift's tasks share leaves none for a timer or a decoder.
///
/// Pieces are begun in the order in which they came. One may be added when all parts of the earlier ones have begun: its parts fill
/// the lanes that the last of those leave free.
public final class LanePool: Sendable {
    public typealias Part = @Sendable (Int) throws -> Void

    private struct Piece: Sendable {
        let id: Int
        let count: Int
        let body: Part
        let onRoom: @Sendable () -> Void
        let continuation: CheckedContinuation<Void, any Error>
        var begun = 0
        var ended = 0
        var failure: (any Error)?

        /// Parts that nobody has begun; none once one has failed.
        var left: Int { failure == nil ? count - begun : 0 }
        var isOver: Bool { left == 0 && ended == begun }
    }

    private struct State {
        /// The eldest first.
        var pieces: [Piece] = []
        var nextID = 0
        /// Lanes without a part.
        var resting: [Int]
    }

    private let state: Mutex<State>
    /// Serial ones, each of which may have a thread whatever other queues do.
    private let lanes: [DispatchQueue]

    /// - Parameter lanes: parts that run at a time, at least 1.
    public init(label: String, lanes: Int) {
        self.lanes = (0..<max(1, lanes)).map { DispatchQueue(label: "\(label).\($0)") }
        state = Mutex(State(resting: Array(self.lanes.indices)))
    }

    /// Whether nothing runs.
    public var isIdle: Bool { state.withLock { $0.pieces.isEmpty } }

    /// Calls `body` with each number below `count`, in no order of ending, and returns when all have returned.
    ///
    /// - Parameter onRoom: called when the piece has left a lane without a part, maybe more than once.
    /// - Throws: The first error of a part; parts that have not begun by then are left out.
    public func run(_ count: Int, onRoom: @escaping @Sendable () -> Void = {}, _ body: @escaping Part) async throws {
        guard count > 0 else { return }
        try await withCheckedThrowingContinuation { continuation in
            let (starting, hasRoom) = state.withLock { state in
                state.pieces.append(Piece(id: state.nextID, count: count, body: body, onRoom: onRoom, continuation: continuation))
                state.nextID += 1
                let starting = state.resting.suffix(count)
                state.resting.removeLast(starting.count)
                return (starting, !state.resting.isEmpty)
            }
            for lane in starting { lanes[lane].async { self.work(in: lane) } }
            if hasRoom { onRoom() }
        }
    }

    /// What `body` gives for each number below `count`; see ``run(_:onRoom:_:)``.
    public func map<Value: Sendable>(
        _ count: Int, onRoom: @escaping @Sendable () -> Void = {}, _ body: @escaping @Sendable (Int) throws -> Value
    ) async throws -> [Value] {
        let values = Mutex([Value?](repeating: nil, count: count))
        try await run(count, onRoom: onRoom) { number in
            let value = try body(number)
            values.withLock { $0[number] = value }
        }
        return values.withLock { $0.compactMap(\.self) }
    }

    /// One lane, until no part is left.
    private func work(in lane: Int) {
        while let (id, number, body) = takePart(for: lane) {
            do {
                try body(number)
                end(id, nil)
            } catch {
                end(id, error)
            }
        }
    }

    private func takePart(for lane: Int) -> (piece: Int, number: Int, body: Part)? {
        let (part, resting) = state.withLock { state -> ((Int, Int, Part)?, [Piece]) in
            guard let index = state.pieces.firstIndex(where: { $0.left > 0 }) else {
                state.resting.append(lane)
                // One that has failed will be tried in other ways first.
                return (nil, state.pieces.filter { $0.failure == nil })
            }
            let piece = state.pieces[index]
            state.pieces[index].begun += 1
            return ((piece.id, piece.begun, piece.body), [])
        }
        for piece in resting { piece.onRoom() }
        return part
    }

    private func end(_ id: Int, _ error: (any Error)?) {
        let over = state.withLock { state -> Piece? in
            let index = state.pieces.firstIndex { $0.id == id }!
            state.pieces[index].ended += 1
            if state.pieces[index].failure == nil { state.pieces[index].failure = error }
            return state.pieces[index].isOver ? state.pieces.remove(at: index) : nil
        }
        if let over { over.continuation.resume(with: over.failure.map { .failure($0) } ?? .success(())) }
    }
}
