import GRDB
import MillraceQueue
import Synchronization

/// The lanes by their numbers. Their names never change, so every connection shares what one has read.
final class LaneDirectory: Sendable {
    struct Place: Sendable {
        var lane: Int64
        var queue: Int64
        var key: LaneKey
    }
    private struct Known {
        var byLane: [Int64: Place] = [:]
        var byKey: [LaneKey: Place] = [:]
        /// The last one asked for: most jobs come in runs of one lane.
        var last: Place?
    }
    private let known = Mutex(Known())

    /// The lane of a stored job.
    func place(_ lane: Int64, in db: Database) throws -> Place {
        if let place = known.withLock({ $0.last?.lane == lane ? $0.last : $0.byLane[lane] }) { return place }
        var statement = try RawStatement(
            "SELECT queue, endpoint, variant, priority, tenant FROM lane JOIN queue ON queue.id = lane.queue WHERE lane.id = ?", in: db)
        statement.bind(lane)
        guard try statement.step() else { preconditionFailure("a job names lane \(lane), which is not there") }
        let key = LaneKey(
            endpoint: statement.text(1) ?? "", variant: statement.text(2) ?? "", priority: statement.int(3), tenant: statement.text(4) ?? "")
        let place = Place(lane: lane, queue: Int64(statement.int(0)), key: key)
        statement.reset()
        remember(place)
        return place
    }

    /// The lane that a new job comes into, made when there is none yet. On the writer only.
    func place(for key: LaneKey, in db: Database) throws -> Place {
        if let place = known.withLock({ $0.last?.key == key ? $0.last : $0.byKey[key] }) { return place }
        var queue = try RawStatement(
            "INSERT INTO queue (endpoint, variant) VALUES (?, ?) ON CONFLICT DO UPDATE SET variant = excluded.variant RETURNING id", in: db)
        queue.bind(key.endpoint)
        queue.bind(key.variant)
        _ = try queue.step()
        let queueID = Int64(queue.int(0))
        queue.reset()
        var lane = try RawStatement(
            "INSERT INTO lane (queue, priority, tenant) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET tenant = excluded.tenant RETURNING id", in: db)
        lane.bind(queueID)
        lane.bind(key.priority)
        lane.bind(key.tenant)
        _ = try lane.step()
        let place = Place(lane: Int64(lane.int(0)), queue: queueID, key: key)
        lane.reset()
        remember(place)
        return place
    }

    /// A transaction was undone, and with it perhaps the lanes that it made.
    func forget() {
        known.withLock { $0 = Known() }
    }

    private func remember(_ place: Place) {
        known.withLock { known in
            known.byLane[place.lane] = place
            known.byKey[place.key] = place
            known.last = place
        }
    }
}
