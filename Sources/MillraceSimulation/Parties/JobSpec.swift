import MillraceCore

/// What a client asks for, and, for the worker to act on, what the job will do to it.
struct JobSpec {
    enum Nature: String, CaseIterable {
        case good, flaky, bad, poison, long, thorough
    }

    var tenant: String
    var endpoint: String
    var priority: Int
    var nature: Nature
    var work: Int64
    var key: String?
    var fingerprint = ""
    var runAfter: Int64?
    var timeToLive: Int64?
    var deadline: Int64?
    var callback: Bool
    var hasFile: Bool
    var hasInput: Bool
    var retry: RetryPolicy
    var runLimit: Int64

    static let endpoints = ["ocr", "tags"]

    init(_ dice: inout Dice, tenant: String, endpoint: String) {
        self.tenant = tenant
        self.endpoint = endpoint
        // Mostly the same, so that tenants meet in it.
        priority = dice.chance(0.6) ? 5 : Int(dice.number(-1...10))
        nature = .good
        work = dice.number(20...1_500)
        switch dice.index(100) {
        case 0..<55: break
        case 55..<73: nature = .flaky
        case 73..<78: nature = .bad
        case 78..<82: nature = .poison
        case 82..<93: (nature, work) = (.long, dice.number(4_000...45_000))
        default: (nature, work) = (.thorough, dice.number(2_000...12_000))
        }
        runAfter = dice.chance(0.15) ? dice.number(100...30_000) : nil
        timeToLive = dice.chance(0.15) ? dice.number(200...40_000) : nil
        deadline = dice.chance(0.15) ? dice.number(500...60_000) : nil
        callback = dice.chance(0.5)
        hasFile = dice.chance(0.2)
        hasInput = dice.chance(0.3)
        retry = RetryPolicy(
            attemptsMax: 1 + dice.index(4), crashesMax: 1 + dice.index(3), backoffBase: .milliseconds(dice.number(0...2_000)),
            backoffMax: .seconds(10))
        runLimit = dice.chance(0.1) ? dice.number(1_000...20_000) : 3_600_000
    }

    func job(_ id: JobID, at now: Timestamp, file: BlobID?) -> Job {
        let runAt = runAfter.map { now + .milliseconds($0) }
        return Job(
            id: id, tenant: tenant, endpoint: endpoint, priority: priority,
            parameters: ["nature": .string(nature.rawValue), "work": .integer(work)],
            input: hasInput ? RawJSON(.string("input")) : nil, files: file.map { [JobFile.simulated($0, "in")] } ?? [],
            callback: callback ? "https://receiver.example/0" : nil, retry: retry, runLimit: .milliseconds(runLimit), createdAt: now,
            runAt: runAt, expiresAt: timeToLive.map { (runAt ?? now) + .milliseconds($0) },
            deadline: deadline.map { now + .milliseconds($0) })
    }
}

extension JobFile {
    static func simulated(_ blob: BlobID, _ name: String) -> JobFile {
        JobFile(name: name, blob: blob, mediaType: "text/plain", bytes: 3, sha256: "ab")
    }
}
