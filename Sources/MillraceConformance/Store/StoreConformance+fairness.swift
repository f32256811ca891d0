import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let fairness: [StoreCase] = [
        promise("behind one tenant's many queued jobs, another's single job is in the very next lease") { bench in
            _ = try await bench.submit(1000, tenant: "bulk")
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker, jobsMax: 8).byTenant, ["bulk": 8], "before")
            let single = try await bench.submit(1, tenant: "single")
            try expectEqual(try await bench.lease(worker, jobsMax: 1).map(\.id), single.map(\.id), "the very next")
        },
        promise("a single job is in the first lease, too, that finds it beside a long queue") { bench in
            _ = try await bench.submit(100, tenant: "bulk")
            _ = try await bench.submit(1, tenant: "single")
            try expectEqual(try await bench.lease(try await bench.worker(), jobsMax: 8).byTenant, ["bulk": 7, "single": 1], "leased")
        },
        promise("tenants share the places of a lease evenly, and who needs fewer leaves them to the others") { bench in
            for tenant in ["bulk", "mid"] { _ = try await bench.submit(40, tenant: tenant) }
            _ = try await bench.submit(3, tenant: "small")
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker, jobsMax: 9).byTenant, ["bulk": 3, "mid": 3, "small": 3], "nine")
            try expectEqual(try await bench.lease(worker, jobsMax: 8).byTenant, ["bulk": 4, "mid": 4], "eight more")
        },
        promise("tenants take turns where each lease is of one job that ends at once") { bench in
            for tenant in ["first", "second", "third"] { _ = try await bench.submit(10, tenant: tenant) }
            let worker = try await bench.worker()
            var order: [String] = []
            for _ in 0..<12 {
                let leased = try await bench.lease(worker, jobsMax: 1)
                order += leased.map(\.tenant)
                try await bench.settleAll(leased)
            }
            try expectEqual(order.count, 12, "leased")
            for start in 0...9 { try expectEqual(Set(order[start..<start + 3]).count, 3, "tenants in three turns of \(order)") }
        },
        promise("a tenant that comes late does not catch up on turns that it did not need") { bench in
            _ = try await bench.submit(30, tenant: "early")
            let worker = try await bench.worker()
            for _ in 0..<10 { try await bench.settleAll(try await bench.lease(worker, jobsMax: 1)) }
            _ = try await bench.submit(30, tenant: "late")
            var taken: [Job] = []
            for _ in 0..<10 {
                let leased = try await bench.lease(worker, jobsMax: 1)
                try await bench.settleAll(leased)
                taken += leased
            }
            try expectEqual(taken.byTenant, ["early": 5, "late": 5], "turns")
        },
        promise("running jobs count: who runs fewer goes first") { bench in
            _ = try await bench.submit(20, tenant: "busy")
            let worker = try await bench.worker()
            let busy = try await bench.lease(worker, jobsMax: 6)
            _ = try await bench.submit(20, tenant: "new")
            try expectEqual(try await bench.lease(worker, jobsMax: 6).byTenant, ["new": 6], "until both run as many")
            try expectEqual(try await bench.lease(worker, jobsMax: 4).byTenant, ["busy": 2, "new": 2], "then evenly")
            try await bench.settleAll(busy)
            try expectEqual(try await bench.lease(worker, jobsMax: 6).byTenant, ["busy": 6], "and again")
        },
        promise("places are shared between tenants, whatever the number of workers that ask") { bench in
            for tenant in ["first", "second", "third", "fourth"] { _ = try await bench.submit(25, tenant: tenant) }
            var running: [Job] = []
            for _ in 0..<20 { running += try await bench.lease(try await bench.worker(), jobsMax: 2) }
            try expectEqual(running.byTenant, ["first": 10, "second": 10, "third": 10, "fourth": 10], "running")
        },
        promise("a higher priority goes first, whatever its tenant has running") { bench in
            _ = try await bench.submit(10, tenant: "busy", priority: 9)
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker, jobsMax: 5).count, 5, "running")
            _ = try await bench.submit(10, tenant: "idle", priority: 8)
            try expectEqual(try await bench.lease(worker, jobsMax: 6).map(\.tenant), Array(repeating: "busy", count: 5) + ["idle"], "order")
        },
        promise("a tenant whose jobs are all for later does not hold up the others") { bench in
            _ = try await bench.submit(50, tenant: "later", runAt: bench.clock.now + .seconds(60))
            _ = try await bench.submit(50, tenant: "later", priority: 9, runAt: bench.clock.now + .seconds(60))
            let now = try await bench.submit(5, tenant: "now")
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker, jobsMax: 5).map(\.id), now.map(\.id), "leased")
            try expectEqual(try await bench.lease(worker, jobsMax: 5), [], "none is due")
            bench.clock.advance(by: .seconds(60))
            try expectEqual(try await bench.lease(worker, jobsMax: 60).map(\.priority), Array(repeating: 9, count: 50) + Array(repeating: 5, count: 10), "later")
        },
        promise("a job for sooner is found behind one for later") { bench in
            _ = try await bench.submit(1, runAt: bench.clock.now + .seconds(60))
            let worker = try await bench.worker()
            try expectEqual(try await bench.lease(worker), [], "none is due")
            let sooner = try await bench.submit(1, runAt: bench.clock.now + .seconds(5))
            bench.clock.advance(by: .seconds(5))
            try expectEqual(try await bench.lease(worker).map(\.id), sooner.map(\.id), "leased")
        },
        promise("inside a tenant the oldest goes first, though tenants alternate") { bench in
            var submitted: [String: [JobID]] = [:]
            for round in 0..<24 {
                let tenant = ["first", "second", "third"][round % 7 % 3]
                submitted[tenant, default: []].append(try await bench.submit(.fixture(tenant: tenant, in: bench.surroundings)).id)
                if round % 2 == 0 { bench.clock.advance(by: .milliseconds(1)) }
            }
            let worker = try await bench.worker()
            var taken: [Job] = []
            while case let leased = try await bench.lease(worker, jobsMax: 5), !leased.isEmpty { taken += leased }
            for (tenant, ids) in submitted { try expectEqual(taken.filter { $0.tenant == tenant }.map(\.id), ids, "order of \(tenant)") }
        },
    ]
}
