import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let registry: [StoreCase] = [
        promise("a worker is known from its registration to its goodbye") { bench in
            let worker = WorkerRecord.fixture(in: bench.surroundings)
            try await bench.store.register(worker)
            try expectEqual(try await bench.store.workers(), [worker], "registered")
            try await bench.store.deregister(worker.id)
            try expectEqual(try await bench.store.workers(), [], "deregistered")
            try await bench.store.deregister(worker.id)
        },
        promise("registering again replaces the record, but a draining worker stays so") { bench in
            var worker = WorkerRecord.fixture(in: bench.surroundings)
            try await bench.store.register(worker)
            try await bench.store.drain([worker.id])
            worker.host = "elsewhere"
            try await bench.store.register(worker)
            worker.draining = true
            try expectEqual(try await bench.store.workers(), [worker], "workers")
        },
        promise("a touch says that the worker lives, when it became ready and whether it drains") { bench in
            let worker = WorkerRecord.fixture(in: bench.surroundings)
            try await bench.store.register(worker)
            bench.clock.advance(by: .seconds(3))
            let ready = bench.clock.now
            try expectEqual(try await bench.store.touch(worker.id, readyAt: ready), false, "draining")
            bench.clock.advance(by: .seconds(3))
            try await bench.store.drain([worker.id])
            try expectEqual(try await bench.store.touch(worker.id, readyAt: nil), true, "draining")
            let found = try head(of: try await bench.store.workers())
            try expectEqual(found.readyAt, ready, "readyAt")
            try expectEqual(found.seenAt, bench.clock.now, "seenAt")
            try await bench.expectError(.workerUnknown) { _ = try await bench.store.touch(bench.surroundings.makeID(), readyAt: nil) }
        },
        promise("a worker shows how many jobs it holds and since when it is idle") { bench in
            let worker = try await bench.worker()
            for _ in 0..<2 { _ = try await bench.submit() }
            bench.clock.advance(by: .seconds(1))
            let jobs = try await bench.lease(worker)
            try expectEqual(try head(of: try await bench.store.workers()).jobsHeld, 2, "held")
            bench.clock.advance(by: .seconds(1))
            for job in jobs { _ = try await bench.settle(job, .succeeded(outputs: [])) }
            let end = bench.clock.now
            bench.clock.advance(by: .seconds(1))
            let idle = try head(of: try await bench.store.workers())
            try expectEqual(idle.jobsHeld, 0, "held")
            try expectEqual(idle.idleSince, end, "idleSince")
        },
        promise("workers not seen for a time are removed, and their leases run on until they expire") { bench in
            let job = try await bench.running()
            bench.clock.advance(by: .seconds(5))
            let young = try await bench.worker()
            let gone = try await bench.store.removeWorkers(notSeenSince: bench.clock.now)
            try expectEqual(gone.map(\.id), [job.lease?.worker], "removed")
            try expectEqual(try await bench.store.workers().map(\.id), [young], "left")
            try expectEqual(try await bench.renew(job), .held, "renewal")
        },
        promise("keys are added, found, listed and revoked") { bench in
            let keys = ["one", "two"].map {
                KeyRecord(id: bench.surroundings.makeID(), name: $0, tenant: "acme", secretHash: "hash of \($0)", createdAt: bench.clock.now)
            }
            for key in keys { try await bench.store.add(key) }
            try expectEqual(try await bench.store.keys(), keys.sorted { $0.id < $1.id }, "all")
            try expectEqual(try await bench.store.key(keys[1].id), keys[1], "one")
            try expect(try await bench.store.revoke(keys[0].id), "a key that is there was not revoked")
            try expect(!(try await bench.store.revoke(keys[0].id)), "a key that is gone was revoked again")
            try expectEqual(try await bench.store.key(keys[0].id), nil, "revoked")
            try await bench.expectError(.stateConflict) { try await bench.store.add(keys[1]) }
        },
        promise("a worker's key keeps what it is for") { bench in
            for endpoints in [nil, [], ["ocr"], ["ocr", "sentiment"]] as [[String]?] {
                let key = KeyRecord(
                    id: bench.surroundings.makeID(), name: "gpu", tenant: "default", secretHash: "h", createdAt: bench.clock.now, kind: .worker,
                    endpoints: endpoints)
                try await bench.store.add(key)
                try expectEqual(try await bench.store.key(key.id), key, "read back")
            }
        },
    ]
}
