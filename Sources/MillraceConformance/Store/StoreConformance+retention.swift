import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let retention: [StoreCase] = [
        promise("pruning by number keeps the jobs that ended last") { bench in
            var jobs: [Job] = []
            for _ in 0..<5 {
                jobs.append(try await bench.finished())
                bench.clock.advance(by: .seconds(1))
            }
            let waiting = try await bench.submit()
            let long = bench.clock.now - .seconds(1000)
            try expectEqual(try await bench.prune(finishedBefore: long, keeping: 5, limit: 10), 0, "as many as may stay")
            try expectEqual(try await bench.prune(finishedBefore: long, keeping: 2, limit: 2), 2, "no more than the limit")
            try expectEqual(try await bench.prune(finishedBefore: long, keeping: 2, limit: 10), 1, "the rest")
            let left = try await bench.store.jobs(matching: JobFilter(), after: nil, limit: 10).map(\.id)
            try expectEqual(left, [waiting.id, jobs[4].id, jobs[3].id], "jobs")
        },
        promise("a job goes when it is too old, or one too many, whichever comes first") { bench in
            for _ in 0..<6 {
                _ = try await bench.finished()
                bench.clock.advance(by: .seconds(1))
            }
            let now = bench.clock.now
            try expectEqual(try await bench.prune(finishedBefore: now - .seconds(2), keeping: 5, limit: 10), 4, "age goes further")
            try expectEqual(try await bench.prune(finishedBefore: now - .seconds(60), keeping: 1, limit: 10), 1, "number goes further")
            try expectEqual(try await bench.prune(finishedBefore: now, keeping: nil, limit: 10), 1, "no number")
        },
        promise("a number is kept of an endpoint's jobs over its variants, and another endpoint has its own") { bench in
            for variant in ["a", "b", "a"] {
                _ = try await bench.finished(.fixture(variant: variant, in: bench.surroundings))
                bench.clock.advance(by: .seconds(1))
            }
            let tags = try await bench.finished(.fixture(endpoint: "tags", in: bench.surroundings))
            try expectEqual(try await bench.prune(finishedBefore: bench.clock.now - .seconds(60), keeping: 1, limit: 10), 2, "pruned")
            let left = try await bench.store.jobs(matching: JobFilter(), after: nil, limit: 10)
            try expectEqual(left.map(\.variant), ["a", "a"], "variants")
            try expectEqual(left.first?.id, tags.id, "another endpoint's")
        },
        promise("pruned jobs are counted no more") { bench in
            let jobs = [try await bench.finished(), try await bench.finished()]
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.prune(finishedBefore: bench.clock.now, limit: 1)
            try expectEqual(try await bench.store.count(matching: JobFilter()), 1, "count")
            try expectEqual(try await bench.store.count(matching: JobFilter(states: [.succeeded])), 1, "count by state")
            try expectEqual(try await bench.store.job(head(of: jobs).id), nil, "the first")
        },
        promise("lists are in the order in which jobs were taken in, whatever their ids and times") { bench in
            let made = (0..<6).map { _ in Job.fixture(in: bench.surroundings) }
            let order = [3, 0, 5, 1, 4, 2].map { made[$0] }
            for job in order[..<3] { _ = try await bench.submit(job) }
            _ = try await bench.admit(Array(order[3...]))
            var pages: [JobID] = []
            while case let page = try await bench.store.jobs(matching: JobFilter(), after: pages.last, limit: 2), !page.isEmpty {
                pages += page.map(\.id)
            }
            try expectEqual(pages, order.map(\.id).reversed(), "pages")
        },
        promise("pages go on where they stood when the job of their cursor is gone") { bench in
            var jobs: [Job] = []
            for _ in 0..<6 {
                bench.clock.advance(by: .seconds(1))
                jobs.append(try await bench.submit())
            }
            let cursor = try require(try await bench.store.jobs(matching: JobFilter(), after: nil, limit: 3).last, "job")
            try expectEqual(cursor.id, jobs[3].id, "cursor")
            _ = try await bench.store.cancel(cursor.id)
            bench.clock.advance(by: .seconds(1))
            try expectEqual(try await bench.prune(finishedBefore: bench.clock.now, limit: 1), 1, "pruned")
            let next = try await bench.store.jobs(matching: JobFilter(), after: cursor.id, limit: 2).map(\.id)
            try expectEqual(next, [jobs[2].id, jobs[1].id], "next page")
        },
    ]
}
