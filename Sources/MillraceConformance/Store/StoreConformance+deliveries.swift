import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let deliveries: [StoreCase] = [
        promise("each final state with a callback has exactly one delivery, with the job as it ended") { bench in
            let job = try await bench.running(.fixture(callback: "https://example.com/done", in: bench.surroundings))
            try expectEqual(try await bench.store.deliveries(of: job.id), [], "before the end")
            _ = try await bench.settle(job, .succeeded(outputs: []))
            let deliveries = try await bench.store.deliveries(of: job.id)
            try expectEqual(deliveries.count, 1, "deliveries")
            try expectEqual(deliveries[0].url, "https://example.com/done", "url")
            try expectEqual(deliveries[0].event, "job.succeeded", "event")
            try expectEqual(deliveries[0].state, .pending, "state")
            try expectEqual(deliveries[0].snapshot, try await bench.found(job), "snapshot")
        },
        promise("a job without a callback has no delivery") { bench in
            let job = try await bench.finished()
            try expectEqual(try await bench.store.deliveries(of: job.id), [], "deliveries")
            try expectEqual(try await bench.store.nextDeliveryAt(), nil, "next")
        },
        promise("a retry has no delivery") { bench in
            let job = try await bench.running(.fixture(callback: "https://example.com", in: bench.surroundings))
            _ = try await bench.settle(job, .failed(.retryable))
            try expectEqual(try await bench.store.deliveries(of: job.id), [], "deliveries")
        },
        promise("a claimed delivery is nobody else's until the claim ends") { bench in
            let job = try await bench.told()
            try expectEqual(try await bench.store.nextDeliveryAt(), bench.clock.now, "next")
            let claimed = try await bench.store.claimDeliveries(limit: 10, for: .seconds(30))
            try expectEqual(claimed.map(\.snapshot.id), [job.id], "claimed")
            try expect(claimed[0].claim != nil, "the claim has no token")
            try expectEqual(try await bench.store.claimDeliveries(limit: 10, for: .seconds(30)), [], "second claim")
            try expectEqual(try await bench.store.nextDeliveryAt(), bench.clock.now + .seconds(30), "next")
            bench.clock.advance(by: .seconds(30))
            let again = try await bench.store.claimDeliveries(limit: 10, for: .seconds(30))
            try expectEqual(again.map(\.id), claimed.map(\.id), "after the claim")
            try expect(again[0].claim != claimed[0].claim, "the token is the same")
        },
        promise("claims at the same time are disjoint") { bench in
            for _ in 0..<20 { _ = try await bench.told() }
            let claimed = try await withThrowingTaskGroup(of: [DeliveryID].self) { group in
                for _ in 0..<8 {
                    group.addTask { try await bench.store.claimDeliveries(limit: 4, for: .seconds(30)).map(\.id) }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            try expectEqual(claimed.count, 20, "claimed")
            try expectEqual(Set(claimed).count, 20, "different")
        },
        promise("a sender whose claim went to another records nothing") { bench in
            let job = try await bench.told()
            let first = try head(of: try await bench.store.claimDeliveries(limit: 1, for: .seconds(30)))
            bench.clock.advance(by: .seconds(30))
            let second = try head(of: try await bench.store.claimDeliveries(limit: 1, for: .seconds(30)))
            let attempt = DeliveryAttempt(at: bench.clock.now, status: 200, error: nil, delivered: true)
            try expect(!(try await bench.store.record(attempt, of: first.id, claim: require(first.claim, "claim"), next: nil)), "the first sender recorded")
            try expectEqual(try head(of: try await bench.store.deliveries(of: job.id)).attempts, [], "attempts")
            try expect(try await bench.store.record(attempt, of: second.id, claim: require(second.claim, "claim"), next: nil), "the second sender could not record")
            try expect(!(try await bench.store.record(attempt, of: second.id, claim: require(second.claim, "claim"), next: nil)), "it recorded twice")
        },
        promise("a failed try is tried again at its time, under the same id") { bench in
            let job = try await bench.told()
            let id = try head(of: try await bench.store.deliveries(of: job.id)).id
            try await bench.deliver(job, false, next: bench.clock.now + .seconds(5))
            try expectEqual(try await bench.store.nextDeliveryAt(), bench.clock.now + .seconds(5), "next")
            try expectEqual(try await bench.store.claimDeliveries(limit: 1, for: .seconds(1)), [], "too early")
            bench.clock.advance(by: .seconds(5))
            try await bench.deliver(job, true)
            let done = try await bench.store.deliveries(of: job.id)
            try expectEqual(done.map(\.id), [id], "ids")
            try expectEqual(done[0].state, .delivered, "state")
            try expectEqual(done[0].attempts.map(\.delivered), [false, true], "attempts")
            try expectEqual(try await bench.store.nextDeliveryAt(), nil, "next")
        },
        promise("a delivery whose last try failed has failed") { bench in
            let job = try await bench.told()
            try await bench.deliver(job, false, next: nil)
            try expectEqual(try await bench.store.deliveries(of: job.id).map(\.state), [.failed], "state")
            bench.clock.advance(by: .seconds(1000))
            try expectEqual(try await bench.store.claimDeliveries(limit: 1, for: .seconds(1)), [], "claimed")
        },
    ]
}

extension StoreBench {
    /// A job that has ended and whose caller is to be told.
    func told() async throws -> Job {
        let job = try await submit(.fixture(callback: "https://example.com", in: surroundings))
        return try require(try await store.cancel(job.id), "cancelled job")
    }

    /// Claims the delivery of a job and records a try.
    func deliver(_ job: Job, _ delivered: Bool, next: Timestamp? = nil) async throws {
        let claimed = try await store.claimDeliveries(limit: 100, for: .seconds(30))
        let delivery = try require(claimed.first { $0.snapshot.id == job.id }, "delivery of the job")
        let attempt = DeliveryAttempt(at: clock.now, status: delivered ? 200 : 503, error: nil, delivered: delivered)
        try expect(try await store.record(attempt, of: delivery.id, claim: require(delivery.claim, "claim"), next: next), "the try was not recorded")
    }
}
