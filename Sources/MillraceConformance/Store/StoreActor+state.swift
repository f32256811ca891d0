import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreActor {
    /// Everything that can be seen of the store.
    func state(_ script: StoreScript) async throws -> [String] {
        let jobs = try await bench.store.jobs(matching: JobFilter(), after: nil, limit: 10_000)
        var lines = try await histories(of: jobs)
        for blob in script.blobs { lines.append("\(blob) \(String(describing: try await bench.store.blob(blob)))") }
        lines += try await bench.store.workers().map { "\($0)" }
        lines += try await bench.store.modes().map { "\($0)" }
        lines += try await queues()
        return lines
    }

    private func histories(of jobs: [Job]) async throws -> [String] {
        var lines: [String] = []
        for job in jobs {
            lines.append("\(job)")
            if job.state == .queued {
                lines.append("ahead \(String(describing: try await bench.store.queuedAhead(of: job.id, countingTo: 1000)))")
            }
            lines += try await bench.store.events(of: job.id, after: 0, limit: 10_000).map { "\($0)" }
            lines += try await bench.store.deliveries(of: job.id).map { "\($0)" }
        }
        return lines
    }

    private func queues() async throws -> [String] {
        let store = bench.store
        var lines = try await store.backlog().map { "\($0)" }
        lines.append("\(String(describing: try await store.nextDeliveryAt()))")
        for endpoint in ["ocr", "tags"] {
            lines += try await store.lanes(of: endpoint).map { "\($0)" }
            lines += try await store.serviceTimes(of: endpoint, limit: 20).map { "\($0)" }
        }
        for states in [[.queued], [.running, .failed], [.cancelled, .expired, .succeeded]] as [Set<JobState>] {
            let filter = JobFilter(tenant: "acme", endpoint: "ocr", states: states)
            lines.append("\(try await store.jobs(matching: filter, after: nil, limit: 7).map(\.id))")
            lines.append("\(try await store.count(matching: filter)) of \(try await store.count(matching: JobFilter(states: states)))")
        }
        return lines
    }
}
