import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let clock: [StoreCase] = [
        promise("after the clock was set back, what was due is due") { bench in
            let retried = try await bench.running()
            let failure = JobFailure(code: "mine", message: "", retryable: true, retryAfter: .seconds(20))
            _ = try await bench.settle(retried, .failed(failure))
            let queued = try await bench.submit()
            let later = try await bench.submit(.fixture(runAt: bench.clock.now + .seconds(30), in: bench.surroundings))
            try expectEqual(try await bench.store.lastChangeAt(), bench.clock.now, "last change")
            bench.clock.step(by: .seconds(-3600))
            try await bench.store.clockWasSetBack(by: .seconds(3600))
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker).map(\.id), [queued.id], "at once")
            bench.clock.advance(by: .seconds(31))
            try expectEqual(try await bench.lease(worker).map(\.id), [retried.id], "the retry; what was asked for at a time keeps it")
            bench.clock.advance(by: .seconds(3600))
            try expectEqual(try await bench.lease(worker).map(\.id), [later.id], "at its time")
        },
        promise("after the clock was set back, a lease ends when it would have ended") { bench in
            let job = try await bench.running()
            bench.clock.step(by: .seconds(-3600))
            try await bench.store.clockWasSetBack(by: .seconds(3600))
            try expectEqual(try await bench.store.rescue(limit: 10, by: nil).map(\.id), [], "too early")
            bench.clock.advance(by: .seconds(16))
            try expectEqual(try await bench.store.rescue(limit: 10, by: nil).map(\.id), [job.id], "in time")
        },
    ]
}
