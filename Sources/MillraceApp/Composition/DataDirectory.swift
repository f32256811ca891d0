import Crypto
import Foundation
import MillraceCore
import MillraceGateway
import MillraceWorker

/// The folder where everything that lasts is kept, and the names in it.
public struct DataDirectory: Sendable {
    public let path: String

    /// Opens the folder, making it when it is not there. Only its owner can look inside.
    public init(_ path: String) throws {
        self.path = URL(fileURLWithPath: path).standardizedFileURL.path
        // A folder that was there keeps its mode; what is in it is for its owner alone all the same.
        umask(0o077)
        for folder in [self.path, self.path + "/logs", self.path + "/scratch", self.path + "/run"] {
            do {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch {
                throw MillraceError(
                    .invalidSettings, "the data directory \(folder) cannot be made: \(error.localizedDescription)",
                    hint: "choose another with --data, or make it writable")
            }
        }
        for name in ["millrace.sqlite", "millrace.sqlite-wal", "millrace.sqlite-shm"] { chmod(self.path + "/" + name, 0o600) }
        for folder in ["/logs", "/scratch", "/run", "/blobs"] { chmod(self.path + folder, 0o700) }
    }

    public var database: String { path + "/millrace.sqlite" }
    public var blobs: String { path + "/blobs" }
    public var workerLogs: String { path + "/logs/workers" }
    public var keyFile: String { path + "/api-key" }

    public func scratch(of instance: String) -> String { path + "/scratch/" + name(of: instance) }

    private func name(of instance: String) -> String { instance.map { $0.isLetter || $0.isNumber || $0 == "-" ? String($0) : "-" }.joined() }

    /// Where a worker says which jobs are at risk. Beside its folder, not in it: it is read when both are gone.
    public func atRisk(of instance: String) -> String {
        scratch(of: instance) + Self.atRiskSuffix
    }

    private static let atRiskSuffix = ".at-risk"

    /// The jobs that were at risk in a worker that is gone; none when it did not say.
    func jobsAtRisk(of instance: String) -> Set<JobID> {
        AtRiskFile.jobs(in: atRisk(of: instance))
    }

    func forgetAtRisk(of instance: String) {
        try? FileManager.default.removeItem(atPath: atRisk(of: instance))
    }

    /// Removes what a worker that is gone left in its folder.
    func removeScratch(of instance: String) {
        for suffix in ["", Self.lifeSuffix] { try? FileManager.default.removeItem(atPath: scratch(of: instance) + suffix) }
    }

    private static let lifeSuffix = ".life"

    /// Held by a worker for as long as it lives, so that whoever starts its agent anew sees that it does.
    func holdLife(of instance: String) throws -> FileLock {
        try lock(
            "scratch/" + name(of: instance) + Self.lifeSuffix,
            refusal: MillraceError(.invalidSettings, "another worker is \(instance) in the data directory \(path)", hint: "stop it, or start this one with another --instance"))
    }

    /// Removes what workers of this machine's agents left that do not live any more. What is a server's beside them is its own business.
    func removeScratchOfDeadJoined() {
        let names = scratchNames(joined: true)
        let living = names.filter { $0.hasSuffix(Self.lifeSuffix) && isHeld("scratch/\($0)") }.map { $0.dropLast(Self.lifeSuffix.count) }
        for name in names where !living.contains(where: { name == $0 || name.hasPrefix($0 + ".") }) { removeScratch(named: name) }
    }

    /// Removes what all workers of this server but these left. What is an agent's beside it is its own business.
    func removeScratch(except instances: [String]) {
        let kept = Set(instances.flatMap { [scratch(of: $0), atRisk(of: $0)] }.map { URL(fileURLWithPath: $0).lastPathComponent })
        for name in scratchNames(joined: false) where !kept.contains(name) { removeScratch(named: name) }
    }

    private func scratchNames(joined: Bool) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path + "/scratch")) ?? []
        return names.filter { $0.hasPrefix(name(of: JoinedFleet.prefix)) == joined }
    }

    private func removeScratch(named name: String) { try? FileManager.default.removeItem(atPath: path + "/scratch/" + name) }

    /// The socket on which the gateway listens for workers. A path of a Unix socket has at most 107 bytes, so a deep data
    /// directory gets its socket in the temporary folder, under a name made from its path.
    public var socket: String {
        let near = path + "/run/gateway.sock"
        guard near.utf8.count > 100 else { return near }
        let name = SHA256.hash(data: Data(path.utf8)).prefix(8).hexadecimal
        return "/tmp/millrace-\(geteuid())-\(name)/gateway.sock"
    }

    /// Takes the folder for this server alone.
    /// - Throws: `invalid_settings` when another has it.
    func lockForServer() throws -> FileLock {
        try lock(
            "lock",
            refusal: MillraceError(
                .invalidSettings, "another Millrace server uses the data directory \(path)",
                hint: "stop it, start this one with another --data and --port, or let it wait for its turn with --standby"))
    }

    /// `nil` when another server has the folder.
    func lockForServerIfFree() throws -> FileLock? { try lockIfFree("lock") }

    /// Takes the folder for this machine's agent alone; a server may use it too.
    /// - Throws: `invalid_settings` when another agent has it.
    func lockForAgent() throws -> FileLock {
        try lock(
            "machine.lock",
            refusal: MillraceError(
                .invalidSettings, "another agent (millrace worker join) uses the data directory \(path)",
                hint: "stop it, or start this one with another --data"))
    }

    private func lock(_ name: String, refusal: MillraceError) throws -> FileLock {
        guard let lock = try lockIfFree(name) else { throw refusal }
        return lock
    }

    private func lockIfFree(_ name: String) throws -> FileLock? { try FileLock("\(path)/\(name)", .exclusive) }

    /// What cannot be told counts as held: it is left alone.
    private func isHeld(_ name: String) -> Bool { (try? lockIfFree(name)) == nil }

    /// The content of a small private file, made by `make` when it is not there.
    /// - Throws: when it is there and cannot be read.
    public func secret(_ name: String, make: () -> String) throws -> String {
        if let text = try PrivateFile(path: path + "/" + name).read() { return text.trimmingCharacters(in: .whitespacesAndNewlines) }
        let text = make()
        try write(text + "\n", to: name)
        return text
    }

    /// Writes a file that only its owner can read, in one step.
    public func write(_ text: String, to name: String) throws {
        try PrivateFile(path: path + "/" + name).write(text)
    }
}
