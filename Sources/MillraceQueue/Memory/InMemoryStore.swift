import MillraceCore
import Synchronization

/// A store that forgets everything with its process: for tests, the simulator and demonstrations.
///
/// It keeps every promise of the seam except durability.
public final class InMemoryStore: Sendable {
    public let changes = StoreChanges()
    let surroundings: Surroundings
    private let state = Mutex(InMemoryState())

    public init(_ surroundings: Surroundings = .system) {
        self.surroundings = surroundings
    }

    func read<Value: Sendable>(_ body: @Sendable (InMemoryState) throws -> Value) rethrows -> Value {
        try state.withLock { try body($0) }
    }

    /// Runs one atomic step and publishes what it changed. A step that may throw does so before it changes anything.
    func write<Value: Sendable>(_ body: @Sendable (inout InMemoryState) throws -> Value) rethrows -> Value {
        let (value, topics) = try state.withLock { state in
            let value = try body(&state)
            defer { state.topics = [] }
            return (value, state.topics)
        }
        changes.publish(topics)
        return value
    }
}

/// Everything that ``InMemoryStore`` keeps.
struct InMemoryState: Sendable {
    struct Entry: Sendable {
        var job: Job
        /// Grows with each job taken in.
        var key: Int
        var events: [JobEvent] = []
        var logs = 0
        var idempotency: NewJob.Idempotency?
    }
    struct IdempotencyKey: Hashable {
        var tenant: String
        var key: String
    }
    struct Blob {
        var record: BlobRecord
        /// How many jobs use it.
        var uses = 0
    }
    struct Outgoing {
        var delivery: Delivery
        /// When a sender may take it: it is due and nobody else's claim lasts.
        var availableAt: Timestamp
    }

    struct Turn {
        var last: Int64 = 0
        var running = 0
        /// Never later than when the first queued job of the lane is due; too early at times, and mended by the lease that looks in
        /// vain. Other stores keep it to be fast; here it makes them agree on the order in which lanes are asked.
        var readyAt = Timestamp(milliseconds: 0)
    }

    var entries: [JobID: Entry] = [:]
    /// All jobs by their keys, the first taken in at the front.
    var order = SortedList<OrderPosition>()
    var nextKey = 1
    var queued: [LaneKey: SortedList<QueuePosition>] = [:]
    var turns: [LaneKey: Turn] = [:]
    var lastTurn: Int64 = 0
    var running: Set<JobID> = []
    var arrivals: [ArrivalKey: Int64] = [:]
    var modes: [String: EndpointModeRecord] = [:]
    var leaders: [LeadershipRole: Leadership] = [:]
    var idempotency: [IdempotencyKey: JobID] = [:]
    var sequence: Int64 = 0
    /// When a rescue last looked while jobs ran.
    var rescuedAt: Timestamp?
    var blobs: [BlobID: Blob] = [:]
    var workers: [WorkerID: WorkerRecord] = [:]
    /// The number of each worker's last request for work that was given any.
    var lastRequests: [WorkerID: Int64] = [:]
    var deliveries: [DeliveryID: Outgoing] = [:]
    var keys: [KeyID: KeyRecord] = [:]
    var scaling = ScalingMemory()
    /// What the step that runs now has changed.
    var topics: Set<StoreChanges.Topic> = []
}

struct Variant: Hashable, Comparable {
    var endpoint: String
    var name: String

    static func < (left: Self, right: Self) -> Bool {
        (left.endpoint, left.name) < (right.endpoint, right.name)
    }
}

/// Where a job stands in its lane: the one that is due first, then the one taken in first.
struct QueuePosition: Comparable {
    var runAt: Timestamp
    var key: Int
    var id: JobID

    static func < (left: Self, right: Self) -> Bool {
        (left.runAt, left.key) < (right.runAt, right.key)
    }
}

struct OrderPosition: Comparable {
    var key: Int
    var id: JobID

    static func < (left: Self, right: Self) -> Bool { left.key < right.key }
}

/// Whose rate is limited; the tenant is `nil` for the endpoint as a whole.
struct ArrivalKey: Hashable {
    var endpoint: String
    var tenant: String?
}

/// An array that keeps its order; finding is a binary search.
struct SortedList<Element: Comparable & Sendable>: Sendable {
    private(set) var elements: [Element] = []

    mutating func insert(_ element: Element) {
        elements.insert(element, at: index(of: element))
    }

    mutating func remove(_ element: Element) {
        let index = index(of: element)
        precondition(index < elements.count && elements[index] == element, "removing what is not in the list")
        elements.remove(at: index)
    }

    /// The first index whose element is not before this one.
    func index(of element: Element) -> Int {
        var range = 0..<elements.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = elements[middle] < element ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }
}
