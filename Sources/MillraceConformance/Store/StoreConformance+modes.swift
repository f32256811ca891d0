import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let modes: [StoreCase] = [
        promise("a paused endpoint gives nothing to anybody, but takes jobs in") { bench in
            let before = try await bench.submit()
            try await bench.store.setMode(.paused, of: "ocr", reason: "disk")
            let after = try await bench.submit()
            for variant in ["a", "b"] {
                _ = try await bench.submit(1, variant: variant)
                try expectEqual(try await bench.lease(try await bench.worker(variant: variant), variant: variant), [], "leased \(variant)")
            }
            let tags = try await bench.running(.fixture(endpoint: "tags", in: bench.surroundings))
            try expectEqual(tags.state, .running, "another endpoint")
            try await bench.store.setMode(.open, of: "ocr", reason: nil)
            try expectEqual(try await bench.lease(try await bench.worker(), jobsMax: 2).map(\.id), [before.id, after.id], "open again")
        },
        promise("what runs in a paused endpoint goes on: heartbeats, results, releases and rescue") { bench in
            let worker = try await bench.worker()
            _ = try await bench.submit(4)
            let running = try await bench.lease(worker)
            try expectEqual(running.count, 4, "running")
            try await bench.store.setMode(.paused, of: "ocr", reason: nil)
            try expectEqual(try await bench.renew(running[0]), .held, "renewal")
            try expectEqual(try await bench.settle(running[0], .succeeded(outputs: [])), .held, "success")
            try expectEqual(try await bench.settle(running[1], .released(reason: "drain")), .held, "release")
            try expectEqual(try await bench.store.cancel(running[2].id)?.state, .running, "cancel")
            try expectEqual(try await bench.renew(running[2]), .cancel, "renewal of a job to be cancelled")
            try expectEqual(try await bench.crash(running[3]).state, .queued, "rescue")
            try expectEqual(try await bench.lease(worker), [], "leased")
        },
        promise("a draining endpoint refuses new jobs, but runs those that it has") { bench in
            let key = NewJob.Idempotency(key: "key", fingerprint: "body")
            let job = Job.fixture(in: bench.surroundings)
            _ = try await bench.store.admit([NewJob(job: job, idempotency: key)])
            try await bench.store.setMode(.draining, of: "ocr", reason: nil)
            let refusal = try require(try await bench.admit([.fixture(in: bench.surroundings)]).first?.refusal, "refusal")
            try expectEqual(refusal.code, .endpointDraining, "code")
            try expect(refusal.retryAfter ?? .zero > .zero, "there is no time to come again in \(refusal)")
            let twin = NewJob(job: .fixture(in: bench.surroundings), idempotency: key)
            try expectEqual(try await bench.store.admit([twin]), [.existing(job)], "a job that came before")
            _ = try await bench.submit(.fixture(endpoint: "tags", in: bench.surroundings))
            let leased = try await bench.lease(try await bench.worker())
            try expectEqual(leased.map(\.id), [job.id], "leased")
            try expectEqual(try await bench.settle(head(of: leased), .failed(.retryable)), .held, "settling")
            try expectEqual(try await bench.found(job).state, .queued, "a retry is no new job")
        },
        promise("endpoints that are not open are listed, with since when and why") { bench in
            try expectEqual(try await bench.store.modes(), [], "at first")
            let start = bench.clock.now
            try await bench.store.setMode(.paused, of: "tags", reason: "disk")
            bench.clock.advance(by: .seconds(1))
            try await bench.store.setMode(.draining, of: "ocr", reason: nil)
            let ocr = EndpointModeRecord(endpoint: "ocr", mode: .draining, since: bench.clock.now, reason: nil)
            try expectEqual(
                try await bench.store.modes(), [ocr, EndpointModeRecord(endpoint: "tags", mode: .paused, since: start, reason: "disk")], "two")
            try await bench.store.setMode(.draining, of: "tags", reason: "again")
            try await bench.store.setMode(.open, of: "ocr", reason: "done")
            try expectEqual(
                try await bench.store.modes(),
                [EndpointModeRecord(endpoint: "tags", mode: .draining, since: bench.clock.now, reason: "again")], "one")
            _ = try await bench.submit()
        },
    ]
}
