import Foundation
import MillraceCore
import MillraceTestSupport
import MillraceWire

/// Messages of all shapes from a seed.
struct RandomMessages {
    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func leaseRequest() -> LeaseRequest {
        LeaseRequest(
            worker: id(), jobsMax: number(600), waitSeconds: seconds(), held: list { $0.id() }, request: maybe { Int64($0.number(1_000_000)) },
            reports: maybe { $0.settleRequest().items })
    }

    mutating func leaseResponse() -> LeaseResponse {
        LeaseResponse(jobs: list { $0.leasedJob() }, draining: chance(), verdicts: maybe { $0.heartbeatResponse().verdicts })
    }

    mutating func heartbeatRequest() -> HeartbeatRequest {
        HeartbeatRequest(
            worker: id(), readyAt: maybe { $0.time() },
            start: maybe { .init(startedAt: $0.time(), registeredAt: $0.time(), fetchedAt: $0.time(), loadedAt: $0.time(), readyAt: $0.time()) },
            items: list {
                .init(job: $0.id(), token: $0.id(), progress: $0.maybe { $0.progress() }, logs: $0.list { $0.line() },
                    checkpoint: $0.maybe { .init(file: $0.file(), position: $0.value()) })
            })
    }

    mutating func heartbeatResponse() -> HeartbeatResponse { HeartbeatResponse(verdicts: list { $0.verdict() }, draining: chance()) }

    mutating func settleRequest() -> SettleRequest {
        SettleRequest(
            worker: id(),
            items: list {
                .init(job: $0.id(), token: $0.id(), outcome: $0.outcome(), logs: $0.list { $0.line() }, progress: $0.maybe { $0.progress() },
                    coldStartSeconds: $0.maybe { $0.seconds() })
            })
    }

    mutating func settleResponse() -> SettleResponse { SettleResponse(verdicts: list { $0.verdict() }) }

    mutating func jobResource() -> JobResource {
        var job = Job(
            id: id(), tenant: text(), endpoint: text(), variant: text(), priority: number(10),
            parameters: Dictionary(list { ($0.text(), $0.value()) }, uniquingKeysWith: { $1 }), files: list { $0.file() },
            callback: maybe { $0.text() }, createdAt: time(), runAt: maybe { $0.time() }, expiresAt: maybe { $0.time() },
            deadline: maybe { $0.time() })
        job.state = JobState.allCases[number(JobState.allCases.count)]
        (job.attempt, job.crashes, job.leases) = (number(5), number(5), number(5))
        (job.startedAt, job.finishedAt, job.cancelRequestedAt) = (maybe { $0.time() }, maybe { $0.time() }, maybe { $0.time() })
        job.lease = maybe { Lease(token: $0.id(), worker: $0.id(), expiresAt: $0.time()) }
        job.progress = maybe { $0.progress() }
        job.failure = maybe { $0.failure() }
        job.outputs = list { $0.file() }
        job.inlineOutputs = list { .init(name: $0.text(), mediaType: $0.text(), text: $0.text()) }
        job.coldStart = maybe { .milliseconds($0.number(100_000)) }
        var resource = JobResource(job, now: time())
        resource.queue = maybe {
            .init(ahead: $0.number(1000), aheadIsAtLeast: $0.maybe { $0.chance() }, estimatedStart: $0.maybe { $0.time() })
        }
        return resource
    }

    mutating func value(depth: Int = 3) -> JSONValue {
        switch number(depth > 0 ? 8 : 6) {
        case 0: .null
        case 1: .bool(chance())
        case 2: .integer(Int64(bitPattern: random.next()) >> Int64(number(64)))
        // Whole numbers come back as integers.
        case 3: .number(seconds() - 500 + 1 / 4096)
        case 4: .number(Double(sign: chance() ? .plus : .minus, exponent: chance() ? -number(300) - 1 : 70 + number(900), significand: 1.1))
        case 5: .string(text())
        case 6: .array(list { $0.value(depth: depth - 1) })
        default: .object(Dictionary(list { ($0.text(), $0.value(depth: depth - 1)) }, uniquingKeysWith: { $1 }))
        }
    }

    mutating func text() -> String {
        let pieces = ["a", "Z9", " ", "\"", "\\", "/", "\n", "\t", "\r", "\u{8}", "\u{c}", "\u{1}", "\u{1f}", "\u{7f}", "é", "日本", "😀", "{[,:"]
        return list { pieces[$0.number(pieces.count)] }.joined()
    }

    // MARK: Parts

    private mutating func leasedJob() -> LeasedJob {
        LeasedJob(
            id: id(), token: id(), attempt: number(9), crashes: maybe { $0.number(9) }, createdAt: time(), parameters: maybe { RawJSON(.object(["n": $0.value()])) },
            // A null stands for no input, as everywhere.
            input: maybe { RawJSON(.array([$0.value()])) },
            files: list { .init(file: $0.file(), access: $0.access()) },
            checkpoint: maybe { .init(file: .init(file: $0.file(), access: $0.access()), position: $0.value()) },
            traceparent: maybe { $0.text() })
    }

    private mutating func outcome() -> SettleRequest.Outcome {
        switch number(5) {
        case 0: .failed(failure())
        case 1: .cancelled
        case 2: .released(reason: text())
        default: .succeeded(
            outputs: list { $0.file() }, inline: list { .init(name: $0.text(), mediaType: $0.text(), text: $0.text()) })
        }
    }

    private mutating func failure() -> JobFailure {
        JobFailure(
            code: text(), message: text(), hint: maybe { $0.text() }, retryable: chance(),
            retryAfter: maybe { .milliseconds($0.number(100_000)) }, stderrTail: maybe { $0.text() })
    }

    private mutating func file() -> JobFile {
        JobFile(
            name: text(), filename: maybe { $0.text() }, blob: id(), mediaType: text(), bytes: Int64(number(1 << 40)), sha256: text())
    }

    private mutating func access() -> BlobAccessGrant { chance() ? .init(path: text()) : .init(url: text()) }

    private mutating func progress() -> JobProgress {
        JobProgress(
            done: seconds(), total: maybe { $0.seconds() }, unit: maybe { $0.text() }, message: maybe { $0.text() },
            metrics: maybe { Dictionary($0.list { ($0.text(), $0.seconds()) }, uniquingKeysWith: { $1 }) })
    }

    private mutating func line() -> LogLine { LogLine(level: chance() ? .info : .error, message: text()) }
    private mutating func verdict() -> HeartbeatResponse.Verdict { [.held, .cancel, .timeout, .lost][number(4)] }
    private mutating func id<Kind>() -> Identifier<Kind> { Identifier(high: random.next(), low: random.next()) }
    private mutating func time() -> Timestamp { Timestamp(milliseconds: Int64(number(4_000_000_000_000))) }
    private mutating func seconds() -> Double { chance() ? Double(number(1000)) : Double(number(1_000_000)) / 1024 }
    private mutating func number(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }
    private mutating func chance() -> Bool { number(2) == 0 }
    private mutating func maybe<Value>(_ make: (inout Self) -> Value) -> Value? { chance() ? make(&self) : nil }

    private mutating func list<Value>(_ make: (inout Self) -> Value) -> [Value] {
        (0..<number(4)).map { _ in make(&self) }
    }
}
