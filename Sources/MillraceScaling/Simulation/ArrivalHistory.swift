import Foundation
import MillraceCore

/// Arrivals that a Millrace has seen, in memory: the newest million at most.
public struct ArrivalHistory {
    public static let jobsMax = 1_000_000

    private var jobs: [(at: Timestamp, work: Double?)] = []
    /// A page that said that there are more, and nobody asked for them.
    public private(set) var isPart = false

    public init() {}

    public var count: Int { jobs.count }
    /// When the first of them came.
    public var startsAt: Timestamp? { jobs.lazy.map(\.at).min() }
    public var isFull: Bool { jobs.count >= Self.jobsMax }

    /// A job, the newest first or in any order; more than the most are left out.
    /// - Parameters:
    ///   - startedAt: and `finishedAt`: of the attempt that ended it; `nil`: it has not ended.
    public mutating func add(acceptedAt: Timestamp, startedAt: Timestamp?, finishedAt: Timestamp?) {
        guard !isFull else { return isPart = true }
        var work: Double?
        if let startedAt, let finishedAt { work = max(finishedAt.since(startedAt).seconds, 0.001) }
        jobs.append((acceptedAt, work))
    }

    /// Jobs in the order of their acceptance, with the time that they ran as their work; those that never ran with the mean.
    /// - Throws: `invalid_input` where there are none.
    public func arrivals(of endpoint: String? = nil, in source: String) throws -> [Arrival] {
        guard !jobs.isEmpty else {
            throw MillraceError(
                .invalidInput, "\(source) has no job\(endpoint.map { " of the endpoint \($0)" } ?? "") with a time of acceptance",
                hint: "each has acceptedAt or createdAt, and startedAt and finishedAt once it has ended")
        }
        let sorted = jobs.sorted { $0.at < $1.at }
        let known = sorted.compactMap(\.work)
        let mean = known.isEmpty ? 1 : known.reduce(0, +) / Double(known.count)
        return sorted.map { Arrival(at: $0.at.since(sorted[0].at).seconds, work: $0.work ?? mean) }
    }
}

// MARK: - Files

extension ArrivalHistory {
    private struct Page: Decodable {
        var jobs: [Record]
        var nextCursor: String?
    }

    private struct Record: Decodable {
        var endpoint: String?
        var acceptedAt: Timestamp?
        var createdAt: Timestamp?
        var startedAt: Timestamp?
        var finishedAt: Timestamp?
    }

    /// What `millrace jobs list --json` prints; or lines, each a job or such a page, which are read one by one.
    /// - Parameter endpoint: of this one alone; `nil`: all.
    /// - Throws: `invalid_input` with the line that is no job.
    public static func read(path: String, endpoint: String?) throws -> ArrivalHistory {
        var history = ArrivalHistory()
        var lines = try BufferedLines(path: path)
        var number = 0
        while let line = try lines.next() {
            number += 1
            guard line.utf8.contains(where: { $0 > 32 }) else { continue }
            let data = Data(line.utf8)
            if let page = try? MillraceJSON.decode(Page.self, from: data) {
                history.add(page, endpoint)
            } else if let record = try? MillraceJSON.decode(Record.self, from: data) {
                history.add(record, endpoint)
            } else if history.jobs.isEmpty, let page = whole(path) {
                history.add(page, endpoint)
                return history
            } else {
                throw MillraceError(
                    .invalidInput, "\(path), line \(number): no job in JSON", hint: "the output of millrace jobs list --json, or one job a line")
            }
        }
        return history
    }

    /// One page, or one list, over many lines.
    private static func whole(_ path: String) -> Page? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        if let page = try? MillraceJSON.decode(Page.self, from: data) { return page }
        return (try? MillraceJSON.decode([Record].self, from: data)).map { Page(jobs: $0) }
    }

    private mutating func add(_ page: Page, _ endpoint: String?) {
        for record in page.jobs { add(record, endpoint) }
        // Of several pages the last one tells.
        isPart = page.nextCursor != nil
    }

    private mutating func add(_ record: Record, _ endpoint: String?) {
        guard endpoint == nil || record.endpoint == endpoint, let at = record.acceptedAt ?? record.createdAt else { return }
        add(acceptedAt: at, startedAt: record.startedAt, finishedAt: record.finishedAt)
    }
}
