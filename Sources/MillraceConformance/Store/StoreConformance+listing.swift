import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let listing: [StoreCase] = [
        promise("jobs are listed newest first, page by page, and new ones move no page") { bench in
            var ids: [JobID] = []
            for _ in 0..<7 {
                ids.append(try await bench.submit().id)
                bench.clock.advance(by: .milliseconds(1))
            }
            var pages: [[JobID]] = []
            var cursor: JobID?
            while case let page = try await bench.store.jobs(matching: .init(), after: cursor, limit: 3), !page.isEmpty {
                pages.append(page.map(\.id))
                cursor = page.last?.id
                _ = try await bench.submit()
                bench.clock.advance(by: .milliseconds(1))
            }
            try expectEqual(pages, [[ids[6], ids[5], ids[4]], [ids[3], ids[2], ids[1]], [ids[0]]], "pages")
        },
        promise("a list shows only the tenant, endpoint and states asked for") { bench in
            let ours = try await bench.submit(.fixture(endpoint: "ocr", in: bench.surroundings))
            let tags = try await bench.submit(.fixture(endpoint: "tags", in: bench.surroundings))
            let theirs = try await bench.submit(.fixture(tenant: "other", in: bench.surroundings))
            _ = try await bench.store.cancel(tags.id)
            func list(_ filter: JobFilter) async throws -> Set<JobID> {
                Set(try await bench.store.jobs(matching: filter, after: nil, limit: 10).map(\.id))
            }
            try expectEqual(try await list(.init(tenant: "acme")), [ours.id, tags.id], "tenant")
            try expectEqual(try await list(.init(endpoint: "ocr")), [ours.id, theirs.id], "endpoint")
            try expectEqual(try await list(.init(states: [.cancelled])), [tags.id], "state")
            try expectEqual(try await list(.init(states: [.cancelled, .queued])), [ours.id, tags.id, theirs.id], "states")
            try expectEqual(try await list(.init(states: [])), [], "no state")
            try expectEqual(try await list(.init(tenant: "acme", endpoint: "tags", states: [.queued])), [], "all")
        },
        promise("pages of several states stay in order") { bench in
            var ids: [JobID] = []
            for index in 0..<9 {
                let job = try await bench.submit()
                if index % 3 == 0 { _ = try await bench.store.cancel(job.id) }
                ids.append(job.id)
                bench.clock.advance(by: .milliseconds(1))
            }
            let filter = JobFilter(states: [.cancelled, .queued])
            let first = try await bench.store.jobs(matching: filter, after: nil, limit: 5).map(\.id)
            let second = try await bench.store.jobs(matching: filter, after: first.last, limit: 5).map(\.id)
            try expectEqual(first + second, ids.reversed(), "pages")
        },
        promise("the backlog counts what is ready, scheduled and running, for each variant") { bench in
            let start = bench.clock.now
            for _ in 0..<3 {
                _ = try await bench.submit()
                bench.clock.advance(by: .seconds(1))
            }
            _ = try await bench.submit(.fixture(variant: "b", runAt: start + .seconds(100), in: bench.surroundings))
            _ = try await bench.submit(.fixture(variant: "b", runAt: start + .seconds(90), in: bench.surroundings))
            let done = try await bench.running(.fixture(endpoint: "tags", in: bench.surroundings))
            _ = try await bench.settle(done, .succeeded(outputs: []))
            _ = try await bench.lease(try await bench.worker(), jobsMax: 1)
            try expectEqual(
                try await bench.store.backlog(),
                [
                    VariantBacklog(endpoint: "ocr", variant: "a", ready: 2, running: 1, oldestReadyAt: start + .seconds(1)),
                    VariantBacklog(endpoint: "ocr", variant: "b", scheduled: 2, nextRunAt: start + .seconds(90)),
                ], "backlog")
            bench.clock.advance(by: .seconds(87))
            try expectEqual(
                try await bench.store.backlog().last,
                VariantBacklog(
                    endpoint: "ocr", variant: "b", ready: 1, scheduled: 1, oldestReadyAt: start + .seconds(90),
                    nextRunAt: start + .seconds(100)), "backlog later")
        },
    ]

    static let events: [StoreCase] = [
        promise("events are in the order they came, over all jobs, and can be read on from any of them") { bench in
            let (first, second) = (try await bench.running(), try await bench.running())
            _ = try await bench.renew(first, logs: [LogLine(level: .info, message: "one"), LogLine(level: .error, message: "two")])
            _ = try await bench.settle(second, .succeeded(outputs: []))
            _ = try await bench.settle(first, .succeeded(outputs: []))
            let all = try await bench.store.events(of: first.id, after: 0, limit: 100)
            try expectEqual(all.map(\.job), Array(repeating: first.id, count: 5), "jobs")
            try expectEqual(all.map(\.sequence), all.map(\.sequence).sorted(), "sequence")
            try expectEqual(try await bench.store.events(of: first.id, after: all[1].sequence, limit: 2), Array(all[2...3]), "a part")
            let others = try await bench.store.events(of: second.id, after: 0, limit: 100).map(\.sequence)
            try expect(Set(others).isDisjoint(with: all.map(\.sequence)), "two events have the same sequence")
        },
        promise("the history tells state, attempt, worker and reason") { bench in
            let job = try await bench.running()
            let failure = JobFailure(code: "mine", message: "", retryable: true, retryAfter: .seconds(9))
            _ = try await bench.settle(job, .failed(failure))
            let worker = job.lease?.worker
            try expectEqual(
                try await bench.states(job),
                [
                    StateChange(state: .queued, attempt: 0, reason: "submitted"),
                    StateChange(state: .running, attempt: 1, worker: worker, reason: "leased"),
                    StateChange(
                        state: .queued, attempt: 1, worker: worker, reason: "retry after mine", runAt: bench.clock.now + .seconds(9)),
                ], "history")
        },
        promise("of progress only the newest event is kept, as a new event") { bench in
            let job = try await bench.running()
            var last: Int64 = 0
            for done in 1...5 {
                _ = try await bench.renew(job, progress: JobProgress(done: Double(done)))
                let progress = try await bench.store.events(of: job.id, after: last, limit: 100).filter {
                    if case .progress = $0.detail { true } else { false }
                }
                try expectEqual(progress.map(\.detail), [.progress(JobProgress(done: Double(done)))], "progress")
                last = try head(of: progress).sequence
            }
        },
        promise("of log lines a limit is kept, and one last line says so") { bench in
            let job = try await bench.running()
            let lines = (0..<1500).map { LogLine(level: .debug, message: "line \($0)") }
            for _ in 0..<3 { _ = try await bench.renew(job, logs: lines) }
            _ = try await bench.settle(job, .succeeded(outputs: []), logs: lines)
            let logs = try await bench.store.events(of: job.id, after: 0, limit: 10_000).compactMap {
                if case .log(let line) = $0.detail { line } else { nil }
            }
            try expectEqual(logs.count, JobEvent.logLinesMax + 1, "lines")
            try expectEqual(logs[JobEvent.logLinesMax - 1], lines[499], "the last line kept")
            try expectEqual(logs.last?.level, .warning, "level of the last line")
            try expect(logs.last?.message.contains("limit") == true, "the last line is \(logs.last?.message ?? "")")
        },
        promise("a hint comes with each change, after it can be seen") { bench in
            let job = try await bench.submit()
            let (jobs, backlog) = (bench.store.changes.hints(.job(job.id)), bench.store.changes.hints(.backlog))
            _ = try await bench.store.cancel(job.id)
            for hints in [jobs, backlog] {
                var iterator = hints.makeAsyncIterator()
                _ = await iterator.next()
            }
            try expectEqual(try await bench.found(job).state, .cancelled, "state")
        },
    ]
}
