import MillraceCore
import MillraceWire

/// A job in words.
enum JobText {
    static func state(_ job: JobResource) -> String { job.retrying ? "retrying" : job.state.rawValue }

    static func paint(_ state: String) -> Paint {
        switch state {
        case "succeeded": .green
        case "failed", "expired": .red
        case "running": .blue
        case "retrying": .yellow
        default: .dim
        }
    }

    /// What is worth saying of a job in a list.
    static func remark(_ job: JobResource, now: Timestamp) -> String {
        switch job.state {
        case .running: [progress(job.progress), job.cancelRequested ? "being cancelled" : nil].compactMap { $0 }.joined(separator: ", ")
        case .queued where job.retrying:
            "attempt \(job.attempt + 1) of \(job.attemptsMax)"
                + (job.runAt.map { $0 > now ? " in \(Quantities.duration($0.since(now)))" : "" } ?? "")
        case .queued where job.runAt.map { $0 > now } ?? false: "starts in \(Quantities.duration(job.runAt!.since(now)))"
        case .succeeded: job.timing.runSeconds.map { "in \(Quantities.duration(.seconds($0)))" } ?? ""
        case .failed: job.error.map { "\($0.code): \($0.message)" } ?? ""
        case .queued, .cancelled, .expired: ""
        }
    }

    static func progress(_ progress: JobProgress?) -> String? {
        progress.map { progress in
            Quantities.number(progress.done) + (progress.total.map { "/" + Quantities.number($0) } ?? "")
                + (progress.unit.map { " " + $0 } ?? "") + (progress.message.map { ", " + $0 } ?? "")
        }
    }

    /// `succeeded: waited 0.4 s, cold start 3.1 s, ran 12 s`.
    static func ending(_ job: JobResource) -> String {
        let times = [
            job.timing.waitSeconds.map { "waited \(Quantities.duration(.seconds($0)))" },
            job.timing.coldStartSeconds.map { "cold start \(Quantities.duration(.seconds($0)))" },
            job.timing.runSeconds.map { "ran \(Quantities.duration(.seconds($0)))" },
        ].compactMap { $0 }
        return job.state.rawValue + (times.isEmpty ? "" : ": " + times.joined(separator: ", "))
    }

    /// Everything about one job, a fact a line.
    static func facts(_ job: JobResource, now: Timestamp) -> [(String, String)] {
        var facts = [
            ("job", job.id.description), ("state", state(job) + (job.cancelRequested ? " (being cancelled)" : "")),
            ("endpoint", job.endpoint + (job.variant == "a" ? "" : " (variant \(job.variant))")),
            ("created", "\(job.createdAt) (\(Quantities.age(now.since(job.createdAt))))"),
        ]
        func add(_ name: String, _ value: String?) { if let value { facts.append((name, value)) } }
        add("started", job.startedAt?.description)
        add("finished", job.finishedAt?.description)
        add(job.retrying ? "next attempt" : "runs at", job.runAt.map { "\($0)" + ($0 > now ? " (in \(Quantities.duration($0.since(now))))" : "") })
        add("in queue", job.queue.map { standing($0, now: now) })
        add("expires", job.state == .queued ? job.expiresAt?.description : nil)
        add("deadline", job.state.isFinal ? nil : job.deadline?.description)
        add("attempt", job.attempt > 0 ? "\(job.attempt) of \(job.attemptsMax)" : nil)
        add("crashes", job.crashes > 0 ? "\(job.crashes)" : nil)
        add("worker", job.worker?.description)
        add("cold start", job.coldStart.map(ScalingText.coldStart))
        add("cost", job.cost.map { "\(ScalingText.money($0.amount)) \($0.currency)" })
        add("progress", progress(job.progress))
        for input in job.inputs { add("input", "\(input.filename ?? input.name) (\(input.mediaType), \(Quantities.bytes(input.bytes)))") }
        for (name, value) in job.parameters.sorted(by: { $0.key < $1.key }) {
            add("parameter", "\(name) = \((try? MillraceJSON.string(value)) ?? "?")")
        }
        for output in job.outputs { add("output", "\(output.name) (\(output.mediaType), \(Quantities.bytes(output.bytes)))") }
        add("callback", job.callback)
        add("error", job.error.map { "\($0.message) (\($0.code))" })
        add("hint", job.error?.hint)
        if let tail = job.error?.stderrTail { for line in tail.split(whereSeparator: \.isNewline).suffix(10) { add("stderr", String(line)) } }
        return facts
    }

    /// `behind 12 jobs; starts in about 3.5 s`.
    static func standing(_ queue: JobResource.Queue, now: Timestamp) -> String {
        let place = queue.ahead == 0 ? "next" : "behind \(queue.aheadIsAtLeast == true ? "at least " : "")\(ManyJobs.words(queue.ahead))"
        guard let start = queue.estimatedStart else { return place }
        return place + (start > now ? "; starts in about \(Quantities.duration(start.since(now)))" : "; starts about now")
    }

    static func render(_ facts: [(String, String)]) -> [String] {
        let width = facts.map(\.0.count).max() ?? 0
        return facts.map { TerminalText.padded($0, to: width) + "  " + TerminalText.safe($1) }
    }

    /// Why a job has no result.
    static func fault(_ job: JobResource) -> CommandFault {
        let message = job.error.map { "the job failed: \($0.message) (\($0.code))" } ?? "the job is \(job.state.rawValue)"
        return CommandFault(.failure, message, hint: job.error?.hint ?? "see what it said with: millrace jobs logs \(job.id)")
    }
}
