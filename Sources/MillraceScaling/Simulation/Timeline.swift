/// What happened over time, in a fixed number of intervals that grow as the simulation does.
public struct Timeline: Sendable, Equatable, Codable {
    public struct Interval: Sendable, Equatable, Codable {
        public var arrivals = 0
        /// Worker-seconds in each state.
        public var starting = 0.0
        public var busy = 0.0
        public var idle = 0.0
        public var draining = 0.0
        /// Job-seconds in the queue.
        public var waiting = 0.0
        public var waitingMost = 0

        fileprivate static func + (left: Self, right: Self) -> Self {
            var sum = left
            sum.arrivals += right.arrivals
            sum.starting += right.starting
            sum.busy += right.busy
            sum.idle += right.idle
            sum.draining += right.draining
            sum.waiting += right.waiting
            sum.waitingMost = Swift.max(left.waitingMost, right.waitingMost)
            return sum
        }
    }
    private static let countMax = 480
    /// Of one interval, in seconds.
    public private(set) var width = 1.0
    public private(set) var intervals: [Interval] = [Interval()]
    private var end = 1.0

    mutating func noteArrival(at time: Double) {
        reach(time)
        intervals[intervals.count - 1].arrivals += 1
    }

    mutating func pass(from: Double, to: Double, _ census: Census, _ waiting: Int) {
        var from = from
        while from < to {
            reach(from)
            let until = min(to, end)
            let duration = until - from
            let last = intervals.count - 1
            intervals[last].starting += duration * Double(census.starting)
            intervals[last].busy += duration * Double(census.busy)
            intervals[last].idle += duration * Double(census.idle)
            intervals[last].draining += duration * Double(census.draining)
            intervals[last].waiting += duration * Double(waiting)
            if waiting > intervals[last].waitingMost { intervals[last].waitingMost = waiting }
            from = until
        }
    }

    /// Makes the last interval the one that this time is in.
    private mutating func reach(_ time: Double) {
        while time >= end {
            if intervals.count == Self.countMax { merge() }
            // After merging, the last interval may reach further than before.
            if time < end { return }
            intervals.append(Interval())
            end += width
        }
    }

    private mutating func merge() {
        intervals = stride(from: 0, to: intervals.count, by: 2).map { intervals[$0] + intervals[$0 + 1] }
        width *= 2
        end = width * Double(intervals.count)
    }
}
