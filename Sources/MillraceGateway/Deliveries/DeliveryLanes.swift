import MillraceCore
import MillraceQueue

/// Which deliveries go out now: up to a number in all and per host, so that a slow receiver holds up nobody else.
///
/// A value that decides, with no sending of its own. What is claimed and waits here is let go of when its host has too many
/// waiting already: its claim runs out, and it is due again.
struct DeliveryLanes: Sendable {
    struct Waiting: Sendable, Equatable {
        var delivery: Delivery
        /// After this its claim may be somebody else's before the try ends.
        var startBefore: Timestamp
    }

    let totalMax: Int
    let perHostMax: Int
    private var running: [String: Int] = [:]
    private var waiting: [String: [Waiting]] = [:]

    init(totalMax: Int, perHostMax: Int) {
        self.totalMax = totalMax
        self.perHostMax = perHostMax
    }

    var runningCount: Int { running.values.reduce(0, +) }
    private var waitingCount: Int { waiting.values.reduce(0) { $0 + $1.count } }
    /// How many more may be claimed.
    var room: Int { max(0, totalMax * 4 - waitingCount) }

    /// Takes claimed deliveries in.
    mutating func add(_ claimed: [Delivery], startBefore: Timestamp) {
        for delivery in claimed {
            let host = Self.host(of: delivery)
            guard waiting[host, default: []].count < perHostMax * 8 else { continue }
            waiting[host, default: []].append(Waiting(delivery: delivery, startBefore: startBefore))
        }
    }

    /// What starts now; it counts as running until ``ended(_:)``.
    mutating func start(at now: Timestamp) -> [Delivery] {
        var started: [Delivery] = []
        for host in waiting.keys.sorted() {
            waiting[host]?.removeAll { $0.startBefore <= now }
            while runningCount < totalMax, running[host, default: 0] < perHostMax, let next = waiting[host]?.first {
                waiting[host]?.removeFirst()
                running[host, default: 0] += 1
                started.append(next.delivery)
            }
            if waiting[host]?.isEmpty == true { waiting[host] = nil }
        }
        return started
    }

    mutating func ended(_ delivery: Delivery) {
        let host = Self.host(of: delivery)
        let left = (running[host] ?? 1) - 1
        running[host] = left > 0 ? left : nil
    }

    private static func host(of delivery: Delivery) -> String {
        (try? CallbackGuard.host(of: delivery.url).lowercased()) ?? ""
    }
}
