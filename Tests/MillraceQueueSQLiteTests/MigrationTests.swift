import Foundation
import GRDB
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Testing

@testable import MillraceQueueSQLite

/// Files as released versions wrote them, named after their last migration. The one of `004` has a job in each state, made by
/// a server that was killed in the middle of the running one.
@Suite("A store of an earlier version")
struct MigrationTests {
    @Test("is opened with all that it has")
    func contents() async throws {
        try await withStore("004") { store in
            let jobs = try await store.jobs(matching: JobFilter(), after: nil, limit: 100)
            #expect(Set(jobs.map(\.state)) == Set(JobState.allCases))
            #expect(jobs.count == 6)
            for state in JobState.allCases {
                #expect(try await store.count(matching: JobFilter(endpoint: "words", states: [state])) == 1)
            }
            let succeeded = try #require(jobs.first { $0.state == .succeeded })
            #expect(succeeded.tenant == "default" && succeeded.outputs.map(\.name) == ["result.json"])
            let changes = try await store.events(of: succeeded.id, after: 0, limit: 100).compactMap { event in
                if case .state(let change) = event.detail { change.state } else { nil }
            }
            #expect(changes == [.queued, .running, .succeeded])
            #expect(try await store.deliveries(of: succeeded.id).map(\.state) == [.delivered])
            let failed = try #require(jobs.first { $0.state == .failed })
            #expect(failed.parameters == ["top": 3] && failed.failure?.code == "handler_error")
            #expect(try await store.deliveries(of: failed.id).first?.snapshot.id == failed.id)
            #expect(try await store.backlog() == [.init(endpoint: "words", variant: "a", ready: 1, running: 1, oldestReadyAt: jobs.first { $0.state == .queued }?.runAt)])
            #expect(try await store.keys().count == 1)
        }
    }

    @Test("goes on with its work")
    func work() async throws {
        try await withStore("004") { store in
            let jobs = try await store.jobs(matching: JobFilter(), after: nil, limit: 100)
            let running = try #require(jobs.first { $0.state == .running })
            #expect(try await store.rescue(limit: 10).map(\.id) == [running.id])
            let worker = WorkerRecord.fixture(endpoint: "words", in: .system)
            try await store.register(worker)
            let leased = try await store.lease(
                LeaseDemand(worker: worker.id, endpoint: "words", variant: "a", jobsMax: 9, duration: .seconds(15)))
            let queued = try #require(jobs.first { $0.state == .queued })
            #expect(leased.map(\.id) == [queued.id, running.id], "priority 9 comes first")
            #expect(leased.last?.input?.value == ["text": "a", "sleep": 60])
            let last = try await store.events(of: queued.id, after: 0, limit: 100).last
            let before = try await store.events(of: running.id, after: 0, limit: 100).first
            #expect(try #require(last).sequence > #require(before).sequence, "numbers go on where they were")
            let reports = leased.map { AttemptReport(job: $0.id, token: $0.lease!.token, outcome: .succeeded(outputs: [])) }
            #expect(try await store.settle(reports) == [.held, .held])
        }
    }

    @Test("knows the idempotency keys that it had")
    func idempotency() async throws {
        try await withStore("004") { store in
            let again = NewJob(
                job: .fixture(tenant: "default", endpoint: "words", in: .system), idempotency: .init(key: "key-1", fingerprint: "other"))
            guard case .conflict? = try await store.admit([again]).first else {
                Issue.record("the key was forgotten")
                return
            }
        }
    }

    @Test("of a later version is refused, and not touched")
    func newer() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            let store = try SQLiteStore(path: path)
            try await store.pool.write { try $0.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('999-later')") }
            try store.close()
            let error = #expect(throws: MillraceError.self) { _ = try SQLiteStore(path: path) }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("newer version") == true && error?.message.contains("999-later") == true)
            #expect(error?.hint != nil)
        }
    }

    private func withStore(_ migration: String, _ body: (SQLiteStore) async throws -> Void) async throws {
        let fixture = try #require(Bundle.module.url(forResource: "store-\(migration)", withExtension: "sqlite", subdirectory: "Fixtures"))
        try await withTemporaryDirectory { directory in
            let path = directory.file("store.sqlite")
            try FileManager.default.copyItem(atPath: fixture.path, toPath: path)
            let store = try SQLiteStore(path: path)
            try await body(store)
            try store.close()
        }
    }
}
