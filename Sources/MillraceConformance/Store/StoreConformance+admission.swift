import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let admission: [StoreCase] = [
        promise("an admitted job is there with all that was given") { bench in
            let file = try await bench.reserved()
            var job = Job.fixture(
                priority: 7, parameters: ["lang": "de", "scale": 1.5], input: ["text": [1, nil, true]], files: [file],
                callback: "https://example.com/done",
                retry: RetryPolicy(attemptsMax: 2, crashesMax: 1, backoffBase: .milliseconds(1500), backoffMax: .seconds(60)),
                runLimit: .seconds(90), runAt: bench.clock.now + .seconds(5), expiresAt: bench.clock.now + .seconds(500),
                in: bench.surroundings)
            job.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            try expectEqual(try await bench.submit(job), job, "admitted job")
            try expectEqual(try await bench.found(job), job.withoutInput, "stored job")
            try expectEqual(try await bench.states(job).map(\.state), [.queued], "events")
            bench.clock.advance(by: .seconds(5))
            let leased = try await bench.lease(try await bench.worker())
            try expectEqual(leased.map(\.input), [job.input], "input of the leased job")
        },
        promise("an inline input of null is not the same as none") { bench in
            let null = try await bench.submit(.fixture(priority: 9, input: .null, in: bench.surroundings))
            let none = try await bench.submit(.fixture(priority: 0, in: bench.surroundings))
            let leased = try await bench.lease(try await bench.worker())
            try expectEqual(leased.map(\.id), [null.id, none.id], "leased")
            try expectEqual(leased.map(\.input), [RawJSON(.null), nil], "inputs")
        },
        promise("the same key and fingerprint give the same job, as it is now") { bench in
            let first = try await bench.admit("key", "body")
            let job = try require(first.admittedJob, "admitted job")
            _ = try await bench.store.cancel(job.id)
            try expectEqual(try await bench.admit("key", "body"), .existing(try await bench.found(job)), "second admission")
            try expectEqual(try await bench.store.jobs(matching: .init(), after: nil, limit: 10).count, 1, "jobs")
        },
        promise("the same key with another fingerprint is a conflict") { bench in
            let job = try require(try await bench.admit("key", "body").admittedJob, "admitted job")
            try expectEqual(try await bench.admit("key", "another body"), .conflict(job.id), "second admission")
        },
        promise("another tenant's key is another key") { bench in
            _ = try await bench.admit("key", "body")
            let other = try await bench.admit("key", "body", tenant: "other")
            try expect(other.admittedJob != nil, "the other tenant got \(other)")
        },
        promise("twins within one call become one job") { bench in
            let twins = (0..<2).map { _ in bench.new("key", "body") }
            let verdicts = try await bench.store.admit(twins + [bench.new("key", "another")])
            let job = try require(verdicts.first?.admittedJob, "admitted job")
            try expectEqual(verdicts, [.admitted(job), .existing(job), .conflict(job.id)], "verdicts")
        },
        promise("identical submits at the same time become one job") { bench in
            let verdicts = try await withThrowingTaskGroup(of: Admission.self) { group in
                for _ in 0..<20 { group.addTask { try await bench.admit("key", "body") } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            try expectEqual(verdicts.filter { $0.admittedJob != nil }.count, 1, "admitted")
            try expectEqual(Set(verdicts.map(\.id)).count, 1, "ids")
        },
        promise("an id that is there already is refused, and all of its call with it") { bench in
            let job = try await bench.submit()
            let other = Job.fixture(in: bench.surroundings)
            try await bench.expectError(.stateConflict) {
                _ = try await bench.store.admit([NewJob(job: other), NewJob(job: job)])
            }
            try expectEqual(try await bench.store.job(other.id), nil, "the other job")
        },
        promise("a job whose input is not there is refused alone") { bench in
            let good = Job.fixture(files: [try await bench.reserved()], in: bench.surroundings)
            let bad = Job.fixture(files: [.fixture(bench.surroundings.makeID())], in: bench.surroundings)
            let verdicts = try await bench.store.admit([NewJob(job: bad), NewJob(job: good)])
            guard case .refused(let error)? = verdicts.first else {
                throw ConformanceFailure(description: "a job without its input was not refused: \(verdicts)")
            }
            try expectEqual(error.code, .blobUnknown, "code")
            try expectEqual(verdicts.last, .admitted(good), "the good job")
            try expectEqual(try await bench.store.job(bad.id), nil, "the bad job")
        },
        promise("another tenant's file is refused like one that is not there") { bench in
            let file = try await bench.reserved(tenant: "other")
            try await bench.expectError(.blobUnknown) { _ = try await bench.submit(.fixture(files: [file], in: bench.surroundings)) }
        },
        promise("a file that is being deleted is refused") { bench in
            let file = try await bench.reserved()
            try expectEqual(try await bench.collect(), [file.blob], "collected")
            try await bench.expectError(.blobUnknown) { _ = try await bench.submit(.fixture(files: [file], in: bench.surroundings)) }
        },
        promise("admission makes the files of a job stored") { bench in
            let file = try await bench.reserved()
            _ = try await bench.submit(.fixture(files: [file], in: bench.surroundings))
            let record = try require(try await bench.store.blob(file.blob), "blob")
            try expectEqual(record.state, .stored, "state")
            try expectEqual(record.bytes, file.bytes, "bytes")
            try expectEqual(record.sha256, file.sha256, "sha256")
        },
        promise("a priority outside 0 to 9 counts as the nearest") { bench in
            let high = try await bench.submit(.fixture(priority: 99, in: bench.surroundings))
            let low = try await bench.submit(.fixture(priority: -1, in: bench.surroundings))
            try expectEqual([high.priority, low.priority], [9, 0], "priorities")
            try expectEqual(try await bench.lease(try await bench.worker()).map(\.id), [high.id, low.id], "leased")
        },
    ]
}

extension StoreBench {
    fileprivate func new(_ key: String, _ fingerprint: String, tenant: String = "acme") -> NewJob {
        NewJob(job: .fixture(tenant: tenant, in: surroundings), idempotency: .init(key: key, fingerprint: fingerprint))
    }

    fileprivate func admit(_ key: String, _ fingerprint: String, tenant: String = "acme") async throws -> Admission {
        try head(of: try await store.admit([new(key, fingerprint, tenant: tenant)]))
    }
}

extension Admission {
    fileprivate var admittedJob: Job? { if case .admitted(let job) = self { job } else { nil } }

    fileprivate var id: JobID? {
        switch self {
        case .admitted(let job), .existing(let job): job.id
        case .conflict(let id): id
        case .refused: nil
        }
    }
}
