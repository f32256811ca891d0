import ArgumentParser

struct Engine: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Submit jobs, then lease and complete them, in batches.",
        discussion: "What its statements reach without it: yardsticks/sqlite_loop.c.")

    @Option var path: String
    @Option var jobs = 100_000
    @Option var batch = 500

    func validate() throws {
        guard jobs > 0, batch > 0, jobs % batch == 0 else { throw ValidationError("--jobs must be a multiple of --batch") }
    }

    func run() async throws {
        let queue = try await BenchQueue(path: path)
        var submitting = Stopwatch(), leasing = Stopwatch(), completing = Stopwatch()
        for _ in 0..<(jobs / batch) {
            try await submitting.measure { try await queue.admit(batch) }
        }
        for _ in 0..<(jobs / batch) {
            let leased = try await leasing.measure { try await queue.lease(batch) }
            try await completing.measure { try await queue.complete(leased) }
        }
        let parts = [submitting.seconds, leasing.seconds, completing.seconds]
        let rates = ([parts.reduce(0, +)] + parts).map { Int(Double(jobs) / $0) }
        print(#"{"rate":\#(rates[0]),"submit":\#(rates[1]),"lease":\#(rates[2]),"complete":\#(rates[3])}"#)
    }
}
