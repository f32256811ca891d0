import HeapModule
import MillraceCore

/// Shares free places between the lanes of one priority: each place goes to the lane in which the fewest jobs run, among equals to
/// the one that has waited longest for its turn.
///
/// So behind one tenant's million jobs another's single job comes next, and tenants with long work get as many places as tenants
/// with short work. Known as max-min fairness (Bertsekas and Gallager, "Data Networks", 6.5.2).
public struct FairShare<Lane> {
    public struct Candidate {
        public var lane: Lane
        public var tenant: String
        public var queued: Int
        public var running: Int
        /// Grows with each turn that any lane gets.
        public var turn: Int64

        public init(lane: Lane, tenant: String, queued: Int, running: Int, turn: Int64) {
            self.lane = lane
            self.tenant = tenant
            self.queued = queued
            self.running = running
            self.turn = turn
        }
    }

    /// Lanes that were served, in the order of their last turns.
    public private(set) var served: [Lane] = []
    private var candidates: [Candidate]
    private var room: TenantRoom

    public init(_ candidates: [Candidate], room: TenantRoom) {
        // Without this the order in which a store keeps its lanes would show.
        self.candidates = candidates.sorted { ($0.running, $0.turn, $0.tenant) < ($1.running, $1.turn, $1.tenant) }
        self.room = room
    }

    /// Fills up to `places`. `fetch` takes up to a number of due jobs from a lane; one that gives fewer has no more.
    /// - Returns: what was fetched, and the room that is left for tenants.
    public mutating func fill<Found>(
        _ places: Int, fetch: (Lane, Int) throws -> [Found]
    ) rethrows -> (found: [Found], room: TenantRoom) {
        var found: [Found] = []
        var last: [Int: Int64] = [:]
        var clock = candidates.reduce(0) { max($0, $1.turn) } + 1
        var open = Set(candidates.indices)
        while found.count < places, !open.isEmpty {
            let shares = share(places - found.count, between: open, &clock)
            if shares.isEmpty { break }
            for (index, count) in shares {
                let taken = try fetch(candidates[index].lane, count)
                found += taken
                candidates[index].running += taken.count
                candidates[index].queued -= taken.count
                room.take(taken.count, by: candidates[index].tenant)
                if !taken.isEmpty { last[index] = candidates[index].turn }
                if taken.count < count { open.remove(index) }
            }
        }
        served = last.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map { candidates[$0.key].lane }
        return (found, room)
    }

    /// How many of the places each lane gets, as far as its count of queued jobs tells.
    private mutating func share(_ places: Int, between open: Set<Int>, _ clock: inout Int64) -> [(index: Int, count: Int)] {
        var room = room
        var given: [Int: Int] = [:]
        var order: [Int] = []
        var waiting = Heap(open.map { rank($0, given: 0) })
        var left = places
        while left > 0, let next = waiting.popMin()?.index {
            let candidate = candidates[next]
            let may = min(candidate.queued - given[next, default: 0], room.left(for: candidate.tenant))
            guard may > 0 else { continue }
            // Nobody else waits: no need to give the rest one by one.
            let count = waiting.isEmpty ? min(may, left) : 1
            if given[next] == nil { order.append(next) }
            given[next, default: 0] += count
            room.take(count, by: candidate.tenant)
            candidates[next].turn = clock
            clock += 1
            left -= count
            waiting.insert(rank(next, given: given[next]!))
        }
        return order.map { ($0, given[$0]!) }
    }

    private func rank(_ index: Int, given: Int) -> Rank {
        let candidate = candidates[index]
        return Rank(running: candidate.running + given, turn: candidate.turn, tenant: candidate.tenant, index: index)
    }
}

private struct Rank: Comparable {
    var running: Int
    var turn: Int64
    var tenant: String
    var index: Int

    static func < (left: Self, right: Self) -> Bool {
        (left.running, left.turn, left.tenant) < (right.running, right.turn, right.tenant)
    }
}

/// How many more jobs of each tenant may run.
public struct TenantRoom: Sendable, Equatable {
    private let runningMax: Int?
    private var running: [String: Int]

    /// - Parameter running: how many jobs of each tenant run in the endpoint.
    public init(runningMax: Int?, running: [String: Int]) {
        self.runningMax = runningMax
        self.running = running
    }

    public func left(for tenant: String) -> Int {
        runningMax.map { max(0, $0 - running[tenant, default: 0]) } ?? .max
    }

    public mutating func take(_ count: Int, by tenant: String) {
        running[tenant, default: 0] += count
    }
}
