/// How long the stages of a job take on this worker, and how many items should be on their way so that the model never waits for one.
///
/// A value: seconds for each item (of `fetch` and `store`: for each job), exponentially weighted; 0.1 of the newest.
public struct StageTimes: Sendable, Equatable {
    public enum Stage: String, Sendable, CaseIterable {
        /// Getting a job's files.
        case fetch
        /// Making an item of them.
        case decode
        /// An item's part of its batch's time in the model.
        case run
        /// Storing a job's outputs.
        case store
    }

    private static let weight = 0.1
    private var means: [Stage: Double] = [:]

    public init() {}

    /// Seconds; `nil` until one was noted.
    public subscript(stage: Stage) -> Double? { means[stage] }

    public mutating func note(_ stage: Stage, seconds: Double) {
        means[stage] = means[stage].map { $0 + (seconds - $0) * Self.weight } ?? seconds
    }

    /// Items of one job that are on their way at a time: made, waiting, or in the model.
    ///
    /// While one batch runs the next one is made, so two batches at least; where making takes longer than running, as many more as
    /// keep coming meanwhile: `batch * (1 + decode / run)`. Never more than four batches: they are held in memory.
    public func window(itemsMax: Int) -> Int {
        depth(itemsMax, preparing: means[.decode])
    }

    /// Jobs that are held at a time, where each may be one item: they also take their places while they are fetched and stored.
    public func jobsHeld(itemsMax: Int) -> Int {
        depth(itemsMax, preparing: [.fetch, .decode, .store].compactMap { means[$0] }.reduce(0, +))
    }

    /// How long an ended job waits, on a worker that has more than a batch of others, for its batch mates to be reported with it: as long as two
    /// items take in the model. Each report is a request and a durable commit.
    public var gathering: Duration {
        let wanted = Duration.seconds(2 * (means[.run] ?? 0))
        return wanted < .milliseconds(1) ? .zero : min(wanted, Self.gatheringMax)
    }

    private static let gatheringMax: Duration = .milliseconds(20)

    private func depth(_ itemsMax: Int, preparing: Double?) -> Int {
        let batch = max(1, itemsMax)
        guard let preparing, let running = means[.run], running > 0 else { return batch * 2 }
        let wanted = (Double(batch) * (1 + preparing / running)).rounded(.up)
        return Int(min(max(wanted, Double(batch * 2)), Double(batch * 4)))
    }
}
