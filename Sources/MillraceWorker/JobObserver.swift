import Logging
import MillraceCore
import MillraceInference
import MillraceWire

/// Hears what a runner says about items and passes it to the job that each belongs to.
struct JobObserver: ItemObserver {
    let held: HeldJobs
    let logger: Logger
    /// Stores a checkpoint durably; throws when the lease is lost.
    let storeCheckpoint: @Sendable (_ path: String, _ position: JSONValue, _ leased: LeasedJob) async throws -> Void

    func began(_ items: [ItemID]) { held.begin(items) }

    func progress(_ progress: JobProgress, of item: ItemID) {
        if let leased = held.lease(of: item) { held.progress(progress, of: leased.token) }
    }

    func log(_ line: LogLine, of item: ItemID?) {
        if let token = item.flatMap({ held.lease(of: $0)?.token }) ?? held.onlyLease {
            held.log(line, of: token)
        } else {
            logger.debug("\(line.message)")
        }
    }

    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {
        guard let leased = held.lease(of: item) else { throw MillraceError(.leaseLost, "item \(item) is not running") }
        try await storeCheckpoint(path, position, leased)
    }
}
