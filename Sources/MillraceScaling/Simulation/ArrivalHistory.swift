import Foundation
import MillraceCore

/// Arrivals that a Millrace has seen: what `millrace jobs list --json` prints, or one job a line.
public enum JobHistory {
    private struct Page: Decodable {
        var jobs: [Record]
    }

    private struct Record: Decodable {
        var endpoint: String?
        var acceptedAt: Timestamp?
        var createdAt: Timestamp?
        var startedAt: Timestamp?
        var finishedAt: Timestamp?
    }

    /// - Parameters:
    ///   - endpoint: of this one alone; `nil`: all.
    /// - Returns: jobs in the order of their acceptance, with the time that they ran as their work; those that never ran with the mean.
    /// - Throws: `invalid_input` with the line that is no job.
    public static func read(path: String, endpoint: String?) throws -> [Arrival] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw MillraceError(.invalidInput, "cannot read \(path)", hint: "write one with: millrace jobs list --limit 200 --json > jobs.json")
        }
        var jobs: [(at: Timestamp, work: Double?)] = []
        for record in try records(data, path) where endpoint == nil || record.endpoint == endpoint {
            guard let at = record.acceptedAt ?? record.createdAt else { continue }
            var work: Double?
            if let start = record.startedAt, let end = record.finishedAt { work = max(end.since(start).seconds, 0.001) }
            jobs.append((at, work))
        }
        guard !jobs.isEmpty else {
            throw MillraceError(
                .invalidInput, "\(path) has no job\(endpoint.map { " of the endpoint \($0)" } ?? "") with a time of acceptance",
                hint: "each has acceptedAt or createdAt, and startedAt and finishedAt once it has ended")
        }
        jobs.sort { $0.at < $1.at }
        let known = jobs.compactMap(\.work)
        let mean = known.isEmpty ? 1 : known.reduce(0, +) / Double(known.count)
        return jobs.map { Arrival(at: $0.at.since(jobs[0].at).seconds, work: $0.work ?? mean) }
    }

    private static func records(_ data: Data, _ path: String) throws -> [Record] {
        if let page = try? MillraceJSON.decode(Page.self, from: data) { return page.jobs }
        if let list = try? MillraceJSON.decode([Record].self, from: data) { return list }
        var records: [Record] = []
        for (number, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { $0 > 32 }) else { continue }
            guard let record = try? MillraceJSON.decode(Record.self, from: Data(line)) else {
                throw MillraceError(
                    .invalidInput, "\(path), line \(number + 1): no job in JSON", hint: "the output of millrace jobs list --json, or one job a line")
            }
            records.append(record)
        }
        return records
    }
}
