import ArgumentParser

struct Deep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare the lease rate with a shallow and with a deep queue.",
        discussion: """
            Fills two store files, then leases and completes jobs of each in turn. What was leased is put back as new jobs,
            so that the queues stay as deep as they are; only leasing is timed.
            """)

    @Option(help: "A new store file.") var shallow: String
    @Option(help: "Another one.") var deep: String
    @Option(help: "How many jobs wait in the deep one.") var jobs = 1_000_000
    @Option(help: "How many jobs wait in the shallow one.") var shallowJobs = 10_000
    @Option var rounds = 3
    @Option(help: "Jobs leased of each in one round.") var leases = 20_000
    @Option var batch = 500

    func run() async throws {
        let shallowQueue = try await filled(shallow, shallowJobs)
        let deepQueue = try await filled(deep, jobs)
        let afterFilling = ProcessMemory.read()
        var shallowRates: [Int] = [], deepRates: [Int] = []
        for _ in 0..<rounds {
            shallowRates.append(try await leaseRate(shallowQueue))
            deepRates.append(try await leaseRate(deepQueue))
        }
        let memory = ProcessMemory.read()
        print(
            #"{"shallow":\#(shallowRates),"deep":\#(deepRates),"filledMB":\#(afterFilling.mostMB),"#
                + #""memoryMB":\#(memory.nowMB),"mostMB":\#(memory.mostMB)}"#)
    }

    private func filled(_ path: String, _ count: Int) async throws -> BenchQueue {
        let queue = try await BenchQueue(path: path)
        var bar = ProgressBar(what: "filling", total: count)
        for start in stride(from: 0, to: count, by: 5000) {
            try await queue.admit(min(5000, count - start))
            bar.show(min(start + 5000, count))
        }
        let queued = try await queue.queued()
        guard queued == count else { throw ValidationError("\(path) has \(queued) jobs, not \(count): name a new file") }
        return queue
    }

    private func leaseRate(_ queue: BenchQueue) async throws -> Int {
        var leasing = Stopwatch()
        for _ in 0..<max(leases / batch, 1) {
            let leased = try await leasing.measure { try await queue.lease(batch) }
            try await queue.complete(leased)
            try await queue.admit(batch)
        }
        return Int(Double(max(leases / batch, 1) * batch) / leasing.seconds)
    }
}
