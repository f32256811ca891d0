import MillraceClient
import MillraceScaling
import MillraceWire

/// Reads a server's jobs page by page, for simulations.
struct ServerHistory {
    private static let pageMax = 200

    let client: MillraceClient
    /// Of this one alone; `nil`: all.
    let endpoint: String?
    let console: Console

    func read() async throws -> ArrivalHistory {
        let selection = JobSelection(endpoint: endpoint)
        let total = min(try await client.count(selection), ArrivalHistory.jobsMax)
        var history = ArrivalHistory()
        var cursor: String?
        defer { console.draw("") }
        repeat {
            let page = try await client.jobs(selection, limit: Self.pageMax, cursor: cursor)
            for job in page.jobs { history.add(acceptedAt: job.createdAt, startedAt: job.startedAt, finishedAt: job.finishedAt) }
            let bar = ProgressBar(
                label: "reading jobs", fraction: Double(history.count) / Double(max(total, 1)), details: ["\(history.count)/\(max(total, history.count))"])
            console.draw(bar.rendered(width: max(console.screen.width() - 1, 1)))
            cursor = page.nextCursor
        } while cursor != nil && !history.isFull
        if cursor != nil { console.note("only the newest \(history.count) jobs are simulated: that is the most") }
        return history
    }
}
