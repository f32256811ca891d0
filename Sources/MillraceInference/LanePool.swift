import Dispatch
import Synchronization

/// A model's lanes: threads that take parts of one piece of work after another, so that none is without a part while any is left.
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
        var lanesBusy = 0
    }

    private let lanes: Int
    private let state = Mutex(State())
    private let queue: DispatchQueue

    /// - Parameter lanes: parts that run at a time, at least 1.
    public init(label: String, lanes: Int) {
        self.lanes = max(1, lanes)
        queue = DispatchQueue(label: label, attributes: .concurrent)
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
                let starting = min(lanes - state.lanesBusy, count)
                state.lanesBusy += starting
                return (starting, state.lanesBusy < lanes)
            }
            for _ in 0..<starting { queue.async { self.work() } }
            if hasRoom { onRoom() }
        }
    }

    /// One lane, until no part is left.
    private func work() {
        while let (id, number, body) = takePart() {
            do {
                try body(number)
                end(id, nil)
            } catch {
                end(id, error)
            }
        }
    }

    private func takePart() -> (piece: Int, number: Int, body: Part)? {
        let (part, resting) = state.withLock { state -> ((Int, Int, Part)?, [Piece]) in
            guard let index = state.pieces.firstIndex(where: { $0.left > 0 }) else {
                state.lanesBusy -= 1
                return (nil, state.pieces)
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
