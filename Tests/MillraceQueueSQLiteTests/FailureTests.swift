import Foundation
import MillraceCore
import MillraceQueue
import MillraceQueueSQLite
import MillraceTestSupport
import Testing

@Suite("When SQLite cannot write", .timeLimit(.minutes(2)))
struct FailureTests {
    let clock = ManualClock()

    private func job(bytes: Int = 0) -> NewJob {
        NewJob(job: .fixture(input: .string(String(repeating: "x", count: bytes)), in: clock.surroundings))
    }

    private func store(_ directory: TemporaryDirectory, _ configure: (inout SQLiteOptions) -> Void) throws -> SQLiteStore {
        var options = SQLiteOptions()
        configure(&options)
        return try SQLiteStore(path: directory.file("store.sqlite"), options: options, surroundings: clock.surroundings)
    }

    /// Admits until the disk is full.
    private func fill(_ store: SQLiteStore, bytes: Int) async throws -> [JobID] {
        var admitted: [JobID] = []
        while admitted.count < 10_000 {
            let new = job(bytes: bytes)
            do {
                _ = try await store.admit([new])
                admitted.append(new.job.id)
            } catch let error as MillraceError {
                #expect(error.code == .storageFull)
                #expect(error.hint != nil)
                return admitted
            }
        }
        Issue.record("the disk never became full")
        return admitted
    }

    @Test("a full disk is said so, loses nothing, and the store works on when there is room again")
    func full() async throws {
        try await withTemporaryDirectory { directory in
            let store = try store(directory) { $0.pagesMax = 200 }
            let finished = (0..<20).map { _ in job(bytes: 10_000) }
            _ = try await store.admit(finished)
            for new in finished { _ = try await store.cancel(new.job.id) }
            let admitted = try await fill(store, bytes: 1000)
            for id in admitted { #expect(try await store.job(id) != nil) }
            #expect(try await store.jobs(matching: .init(), after: nil, limit: 10_000).count == admitted.count + 20)

            clock.advance(by: .seconds(1))
            #expect(try await store.prune(EndpointRetention(endpoint: "ocr", age: .zero), at: clock.now, limit: 100, by: nil) == 20)
            let again = job(bytes: 1000)
            #expect(try await store.admit([again]) == [.admitted(again.job)])
            #expect(try await store.job(again.job.id) == again.job.withoutInput)
        }
    }

    @Test("one write that does not fit fails alone; those beside it are carried out")
    func alone() async throws {
        try await withTemporaryDirectory { directory in
            let store = try store(directory) { $0.pagesMax = 200 }
            let held = try HeldWriter(path: directory.file("store.sqlite"))
            let news = (0..<9).map { job(bytes: $0 == 4 ? 2_000_000 : 10) }
            let outcomes = await withTaskGroup(of: (Int, Bool).self) { group in
                for (index, new) in news.enumerated() {
                    group.addTask { (index, (try? await store.admit([new])) != nil) }
                }
                #expect(throws: Never.self) { try held.release() }
                return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            #expect(outcomes.filter { !$0.value }.map(\.key) == [4])
            #expect(try await store.jobs(matching: .init(), after: nil, limit: 100).count == 8)
        }
    }

    @Test("a write that is refused undoes itself and nothing beside it")
    func refused() async throws {
        try await withTemporaryDirectory { directory in
            let store = try store(directory) { _ in }
            let taken = job()
            _ = try await store.admit([taken])
            let held = try HeldWriter(path: directory.file("store.sqlite"))
            let news = (0..<20).map { index in
                // The refused call has a good job in front of the bad one: both must be gone.
                index % 2 == 0 ? [job()] : [job(), taken]
            }
            await withTaskGroup(of: Void.self) { group in
                for new in news { group.addTask { _ = try? await store.admit(new) } }
                #expect(throws: Never.self) { try held.release() }
            }
            for (index, new) in news.enumerated() {
                #expect((try await store.job(new[0].job.id) != nil) == (index % 2 == 0))
            }
        }
    }

    @Test("more writes than may wait are refused, and those that wait are carried out")
    func bounded() async throws {
        try await withTemporaryDirectory { directory in
            let store = try store(directory) { $0.writesWaitingMax = 2 }
            let held = try HeldWriter(path: directory.file("store.sqlite"))
            let news = (0..<10).map { _ in job() }
            let refused = Signal(of: MillraceError.self)
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for new in news {
                    group.addTask {
                        do {
                            _ = try await store.admit([new])
                            return true
                        } catch let error as MillraceError {
                            refused.send(error)
                            return false
                        }
                    }
                }
                // At most two are being written and two wait behind them.
                for _ in 0..<6 { #expect(try await refused.next().code == .unavailable) }
                try held.release()
                let outcomes = try await group.reduce(into: []) { $0.append($1) }
                let count = try await store.jobs(matching: .init(), after: nil, limit: 100).count
                #expect(count == outcomes.count { $0 })
                #expect(count >= 2)
            }
        }
    }

    @Test("a lock of another process is waited for, then said so")
    func locked() async throws {
        try await withTemporaryDirectory { directory in
            let store = try store(directory) { $0.busyTimeout = .milliseconds(20) }
            let held = try HeldWriter(path: directory.file("store.sqlite"))
            let new = job()
            await #expect { try await store.admit([new]) } throws: { ($0 as? MillraceError)?.code == .unavailable }
            try held.release()
            #expect(try await store.admit([new]) == [.admitted(new.job)])
        }
    }

    @Test("a file that is no database, or cannot be opened, is said so")
    func unusable() async throws {
        try await withTemporaryDirectory { directory in
            try Data(repeating: 7, count: 8192).write(to: URL(filePath: directory.file("store.sqlite")))
            #expect { try store(directory) { _ in } } throws: { ($0 as? MillraceError)?.code == .internal }
            #expect {
                try SQLiteStore(path: directory.file("missing/store.sqlite"))
            } throws: { ($0 as? MillraceError)?.code == .unavailable }
        }
    }

    /// Run by hand on a small disk: `mount -t tmpfs -o size=2m tmpfs /mnt; MILLRACE_TEST_SMALL_DISK=/mnt swift test --filter smallDisk`.
    @Test(
        "a disk that is really full is survived",
        .enabled(if: ProcessInfo.processInfo.environment["MILLRACE_TEST_SMALL_DISK"] != nil))
    func smallDisk() async throws {
        let disk = try #require(ProcessInfo.processInfo.environment["MILLRACE_TEST_SMALL_DISK"])
        let ballast = disk + "/ballast"
        try Data(count: 200_000).write(to: URL(filePath: ballast))
        let store = try SQLiteStore(path: disk + "/store.sqlite", surroundings: clock.surroundings)
        let admitted = try await fill(store, bytes: 10_000)
        for id in admitted { #expect(try await store.job(id) != nil) }
        try FileManager.default.removeItem(atPath: ballast)
        let again = job()
        #expect(try await store.admit([again]) == [.admitted(again.job)])
        #expect(try await store.jobs(matching: .init(), after: nil, limit: 10_000).count == admitted.count + 1)
    }
}
