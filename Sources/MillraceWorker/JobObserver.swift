import Logging
import MillraceCore
import MillraceInference
import MillraceWire

/// Hears what a runner says about items and passes it to the job that each belongs to.
struct JobObserver: ItemObserver {
    let held: HeldJobs
    let logger: Logger
    /// Stores a checkpoint durably; throws when the lease is lost.
    let storeCheckpoint: @Sendable (_ path: String, _ position: JSONValue, _ job: JobID) async throws -> Void

    func progress(_ progress: JobProgress, of item: ItemID) {
        if let job = held.job(of: item) { held.progress(progress, of: job.id) }
    }

    func log(_ line: LogLine, of item: ItemID?) {
        let job = item.flatMap { held.job(of: $0)?.id } ?? held.onlyJob
        if let job { held.log(line, of: job) }
        logger.log(level: line.level.loggerLevel, "\(line.message)", metadata: job.map { ["job.id": "\($0)"] })
    }

    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {
        guard let job = held.job(of: item) else { throw MillraceError(.leaseLost, "item \(item) is not running") }
        try await storeCheckpoint(path, position, job.id)
    }
}

extension LogLine.Level {
    var loggerLevel: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
