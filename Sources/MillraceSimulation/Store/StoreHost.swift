import MillraceCore
import MillraceQueue
import MillraceQueueSQLite

/// The machine of the store: its clock, its disk, its restarts. Every call of every party goes through
/// ``perform(_:for:)``, where faults are put in and the auditor looks.
final class StoreHost {
    private unowned let world: World
    let clock: MachineClock
    let depot = BlobDepot()
    private(set) var store: any Store
    private let reopen: () throws -> (any Store)?
    private let path: String?

    private(set) var isDown = false
    private var fullUntil: Int64 = 0
    private var slowUntil: Int64 = 0
    /// The last time in which it took no write.
    private var lastOutage: ClosedRange<Int64>?

    init(_ world: World, seed: UInt64) throws {
        self.world = world
        let clock = MachineClock(world.time, seed: world.dice.seed())
        self.clock = clock
        let wrap = world.settings.wrap ?? { $0 }
        switch world.settings.store {
        case .memory:
            store = wrap(InMemoryStore(clock.surroundings))
            reopen = { nil }
            path = nil
        case .sqlite(let folder):
            let file = "\(folder)/seed-\(seed).sqlite"
            for suffix in Self.suffixes { BlobDepot.removeFile(file + suffix) }
            path = file
            // Simulated time stands still while the store works: it may not wait.
            var options = SQLiteOptions()
            options.reportPatience = .zero
            let open = { [options] in wrap(try SQLiteStore(path: file, options: options, surroundings: clock.surroundings)) }
            store = try open()
            reopen = open
        }
    }

    private static let suffixes = ["", "-wal", "-shm"]

    /// When it last came back after it had taken no write for a lease or longer.
    var lastOutageEnd: Int64? {
        lastOutage.flatMap { $0.upperBound - $0.lowerBound >= Timing.lease ? $0.upperBound : nil }
    }

    var isFull: Bool { world.now < fullUntil }

    func perform(_ call: StoreCall, for asker: Party) async throws -> StoreResult {
        if isDown { return .failure(MillraceError(.unavailable, "the store is down")) }
        if call.isWrite, isFull || refusesNow() {
            world.report.faults[.writeRefused, default: 0] += 1
            return .failure(MillraceError(.storageFull, "the disk is full"))
        }
        world.report.calls[call.name, default: 0] += 1
        let reply: StoreReply
        do {
            reply = try await call.run(on: store)
        } catch let error as MillraceError {
            try await world.auditor.refused(call, error, by: asker)
            return .failure(error)
        }
        try await world.auditor.answered(call, reply, by: asker)
        if !world.isCalm, world.dice.chance(world.weather.answerLostRate) {
            world.fault(.answerLost, asker.name)
            return .failure(MillraceError(.unavailable, "the store's answer was lost"))
        }
        return .success(reply)
    }

    /// How long the store takes, to the caller.
    func delay() -> Int64 {
        world.now < slowUntil ? world.dice.number(200...8_000) : world.dice.number(0...3)
    }

    private func refusesNow() -> Bool {
        !world.isCalm && world.dice.chance(world.weather.refusedRate)
    }
}

// What goes wrong with it.
extension StoreHost {
    func fill(for duration: Int64) {
        fullUntil = max(fullUntil, world.now + duration)
        noteOutage(from: world.now, to: fullUntil)
    }

    func slow(for duration: Int64) {
        slowUntil = max(slowUntil, world.now + duration)
    }

    /// Closes the store; a file is opened again, memory is kept.
    func restart(after duration: Int64) async throws {
        guard !isDown else { return }
        isDown = true
        noteOutage(from: world.now, to: world.now + duration)
        try await closeFile()
        world.after(duration) { [self] in try open() }
    }

    func heal() async throws {
        fullUntil = 0
        slowUntil = 0
        lastOutage = lastOutage.map { $0.clamped(to: 0...world.now) }
        try open()
    }

    func close() async {
        try? await closeFile()
        if let path { for suffix in Self.suffixes { BlobDepot.removeFile(path + suffix) } }
    }

    private func open() throws {
        guard isDown else { return }
        if let reopened = try reopen() { store = reopened }
        isDown = false
        world.note("store", "is up again")
    }

    private func closeFile() async throws {
        var inner: any Store = store
        while let outer = (inner as? StoreProxy)?.base ?? (inner as? JobQueue)?.store { inner = outer }
        try (inner as? SQLiteStore)?.close()
    }

    private func noteOutage(from start: Int64, to end: Int64) {
        guard end > lastOutage?.upperBound ?? 0 else { return }
        lastOutage = start...end
    }
}
