import MillraceCore
import MillraceQueue

/// Which page of a list is asked for.
struct JobPage {
    static let queryKeys = ["limit", "cursor"]

    private let limit: Int
    private let cursor: JobID?

    init(_ query: QueryItems) throws {
        limit = try query.integer("limit", in: 1...200) ?? 50
        cursor = try query["cursor"].map { text in
            guard let id = JobID(text) else { throw MillraceError(.malformedRequest, "\"cursor\" is not one that a list gave") }
            return id
        }
    }

    /// - Returns: the cursor of the next page, too, when there is one.
    func read(_ filter: JobFilter, from queue: JobQueue) async throws -> (jobs: [Job], nextCursor: String?) {
        let found = try await queue.jobs(matching: filter, after: cursor, limit: limit + 1)
        let page = Array(found.prefix(limit))
        return (page, found.count > limit ? page.last?.id.description : nil)
    }
}
