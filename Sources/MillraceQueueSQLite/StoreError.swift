import GRDB
import MillraceCore

/// What SQLite's errors mean to whoever uses the store. Never carries statement arguments.
enum StoreError {
    static func mapped(_ error: any Error, path: String) -> any Error {
        guard let error = error as? DatabaseError else { return error }
        let what = error.message ?? "\(error.resultCode)"
        switch error.resultCode {
        case .SQLITE_FULL, .SQLITE_IOERR:
            return MillraceError(
                .storageFull, "the job store could not write to \(path): \(what)",
                hint: "make room on its disk; nothing that was accepted is lost, and the store works on by itself")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            return MillraceError(.unavailable, "another process keeps \(path) locked", hint: "only one server may use a data directory")
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            return MillraceError(.unavailable, "the job store \(path) cannot be opened for writing: \(what)", hint: "check its folder and permissions")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return MillraceError(.internal, "\(path) is damaged or no database: \(what)", hint: "restore it from a backup")
        case .SQLITE_MISUSE, .SQLITE_INTERRUPT, .SQLITE_ABORT:
            return MillraceError(.unavailable, "the job store is closed or was interrupted: \(what)")
        default:
            return MillraceError(.internal, "the job store failed: \(what) (\(error.extendedResultCode))")
        }
    }
}
