import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Testing

@Suite("The gate at the door")
struct AdmissionGateTests {
    let now = ManualClock().now

    private func gate(_ mode: EndpointMode = .open, _ quotas: EndpointQuotas = EndpointQuotas(), queued: Int = 0) -> AdmissionGate {
        AdmissionGate(endpoint: "ocr", mode: mode, quotas: quotas, usage: .init(queued: queued))
    }

    @Test("is open to everybody where nobody set a limit, and asks for no usage", arguments: [EndpointMode.open, .paused])
    func unlimited(mode: EndpointMode) {
        var gate = gate(mode, queued: 1_000_000)
        #expect(!gate.needsUsage(of: "acme"))
        for _ in 0..<100 { #expect(gate.admit(tenant: "acme", at: now) == nil) }
    }

    @Test("of a draining endpoint lets nobody in, and says how long to stay away")
    func draining() {
        var gate = gate(.draining)
        let refusal = gate.admit(tenant: "acme", at: now)
        #expect(refusal?.code == .endpointDraining)
        #expect(refusal?.retryAfter == .seconds(30))
        #expect(refusal?.hint?.contains("resume ocr") == true)
    }

    @Test("counts those that it lets in")
    func counts() {
        var gate = gate(.open, EndpointQuotas(endpoint: Quota(queuedMax: 5), tenant: Quota(queuedMax: 2)), queued: 1)
        #expect(gate.needsUsage(of: "acme"))
        gate.set(.init(queued: 1), of: "acme")
        #expect(!gate.needsUsage(of: "acme"))
        #expect(gate.admit(tenant: "acme", at: now) == nil)
        #expect(gate.admit(tenant: "acme", at: now)?.message.contains("\"acme\" in \"ocr\" has 2 jobs waiting") == true)
        for _ in 0..<2 { #expect(gate.admit(tenant: "other", at: now) == nil) }
        #expect(gate.endpoint.queued == 4)
        #expect(gate.admit(tenant: "third", at: now) == nil)
        #expect(gate.admit(tenant: "fourth", at: now)?.message.hasPrefix("\"ocr\" has 5 jobs waiting") == true)
    }

    @Test("takes nothing from anybody for a job that it refuses")
    func refusals() {
        let rate = RateLimit(jobs: 10, per: .seconds(10))
        var gate = gate(.open, EndpointQuotas(endpoint: Quota(queuedMax: 9, rate: rate), tenant: Quota(queuedMax: 1, rate: rate)))
        #expect(gate.admit(tenant: "acme", at: now) == nil)
        let (endpoint, tenants) = (gate.endpoint, gate.tenants)
        for _ in 0..<20 { #expect(gate.admit(tenant: "acme", at: now)?.code == .quotaExceeded) }
        #expect(gate.endpoint == endpoint)
        #expect(gate.tenants == tenants)
    }
}

@Suite("A rate limit")
struct RateLimitTests {
    @Test("never lets more in than its burst and its rate, over any time", arguments: 1...20 as ClosedRange<UInt64>)
    func windows(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let limit = RateLimit(
            jobs: Int.random(in: 1...20, using: &random), per: .milliseconds(Int.random(in: 100...20_000, using: &random)),
            burst: Int.random(in: 1...10, using: &random))
        var now = ManualClock().now
        var arrival: Int64 = 0
        var taken: [Timestamp] = []
        for _ in 0..<400 {
            now = now + .milliseconds(Int.random(in: 0...3, using: &random) * Int.random(in: 0...700, using: &random))
            if limit.take(&arrival, at: now) == nil { taken.append(now) }
        }
        for first in taken.indices {
            for last in taken.indices[first...] {
                let window = taken[last].since(taken[first]).seconds
                let allowed = Double(limit.burst) + window * Double(limit.jobs) / limit.per.seconds
                #expect(Double(last - first + 1) <= allowed + 0.01, "\(last - first + 1) in \(window) s with \(limit)")
            }
        }
        #expect(taken.count > limit.burst)
    }

    @Test("lets a job in when it said it would, and not before", arguments: 1...10 as ClosedRange<UInt64>)
    func waits(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let limit = RateLimit(jobs: Int.random(in: 1...9, using: &random), per: .seconds(10), burst: Int.random(in: 1...5, using: &random))
        var now = ManualClock().now
        var arrival: Int64 = 0
        for _ in 0..<limit.burst { #expect(limit.take(&arrival, at: now) == nil) }
        for _ in 0..<20 {
            let wait = try #require(limit.take(&arrival, at: now))
            #expect(wait > .zero && wait <= .seconds(10))
            let tooEarly = now + .milliseconds(wait.milliseconds - 1)
            #expect(limit.take(&arrival, at: tooEarly) != nil)
            now = now + .milliseconds(wait.milliseconds + 1)
            #expect(limit.take(&arrival, at: now) == nil)
        }
    }

    @Test("gives its whole burst again after a quiet time, and no more")
    func quiet() {
        let limit = RateLimit(jobs: 1, per: .seconds(1), burst: 4)
        var arrival: Int64 = 0
        for start in [0, 4, 1000] as [Int64] {
            let now = Timestamp(milliseconds: 1_767_225_600_000 + start * 1000)
            #expect((0..<6).map { _ in limit.take(&arrival, at: now) == nil } == [true, true, true, true, false, false])
        }
    }

    @Test("is not closed by a clock that is set back, nor opened more than once", arguments: [3600, 86_400])
    func steps(seconds: Int) {
        let limit = RateLimit(jobs: 2, per: .seconds(10), burst: 3)
        let late = Timestamp(milliseconds: 1_767_225_600_000)
        var arrival: Int64 = 0
        for _ in 0..<3 { _ = limit.take(&arrival, at: late) }
        let early = late - .seconds(seconds)
        #expect((0..<5).map { _ in limit.take(&arrival, at: early) == nil } == [true, true, true, false, false])
        #expect(limit.take(&arrival, at: early + .seconds(5)) == nil)
    }
}
