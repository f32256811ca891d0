/// Which of the jobs of the last time still wait: those that came before it and do are misses.
struct RecentArrivals: Sendable, Codable, Equatable {
    private static let bins = 32
    private let width: Double
    private var counts: [Int]
    private var head: Int64

    init(span: Double, at now: Double) {
        width = Swift.max(span, 0.01) / Double(Self.bins)
        counts = [Int](repeating: 0, count: Self.bins)
        head = Int64(now / width)
    }

    /// - Returns: how many jobs reached the end of the span, and how many of them still wait.
    mutating func note(_ new: Int, waiting: Int, at now: Double) -> (due: Double, missed: Double) {
        let bin = Int64(now / width)
        var due = 0
        var steps = bin - head
        if steps > 0 {
            if steps > Int64(Self.bins) {
                due = counts.reduce(0, +)
                counts = [Int](repeating: 0, count: Self.bins)
                steps = 0
            }
            for step in 0..<steps {
                let index = Int((head + 1 + step) % Int64(Self.bins))
                due += counts[index]
                counts[index] = 0
            }
            head = bin
        }
        // Waiting jobs are the youngest: those beyond the ones that are not due yet are overdue.
        let young = counts.reduce(0, +)
        counts[Int(bin % Int64(Self.bins))] += new
        let overdue = Swift.max(0, waiting - young - new)
        return (Double(due), Double(Swift.min(due, overdue)))
    }
}
