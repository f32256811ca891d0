import MillraceCore
import MillraceQueue
import MillraceTestSupport

// What operators and services do: modes, quotas, filters, leadership.
extension StoreScript {
    mutating func control(_ choice: Int) -> StoreOperation {
        switch choice {
        case 0..<3: .setMode(number(3) == 0 ? any(of: [.paused, .draining])! : .open, flip() ? "ocr" : "tags", flip() ? "because" : nil)
        case 3..<6: .cancelMatching(filter(), limit: number(5))
        case 6..<10: .redriveMatching(filter(), limit: number(5))
        case 10..<14: .count(filter())
        case 14..<18: .list(filter(), after: number(3) == 0 ? nil : any(of: jobs), limit: number(9))
        case 18..<23: .lead(LeadershipRole.allCases[number(3)], any(of: candidates)!, .seconds(number(40)))
        case 23: resign()
        default: .look(any(of: jobs))
        }
    }

    private mutating func resign() -> StoreOperation {
        leader().map { .resign($0) } ?? .lead(.rescue, candidates[0], .seconds(5))
    }

    mutating func filter() -> JobFilter {
        let states = (0..<number(4)).compactMap { _ in any(of: JobState.allCases) }
        return JobFilter(
            tenant: flip() ? tenant() : nil, endpoint: flip() ? "ocr" : nil, states: flip() ? Set(states) : nil,
            createdFrom: number(5) == 0 ? clock.now - .seconds(number(100)) : nil,
            createdBefore: number(5) == 0 ? clock.now - .seconds(number(100)) : nil,
            failureCode: number(5) == 0 ? any(of: ["mine", "invalid_input", "worker_lost", "deadline_exceeded"]) : nil)
    }

    /// Small limits, or they would never be met.
    mutating func quotas() -> EndpointQuotas {
        guard number(3) == 0 else { return EndpointQuotas() }
        return EndpointQuotas(endpoint: quota(30), tenant: quota(12))
    }

    private mutating func quota(_ limit: Int) -> Quota {
        Quota(
            queuedMax: flip() ? number(limit) : nil, runningMax: flip() ? number(limit / 3) : nil,
            rate: flip() ? RateLimit(jobs: 1 + number(limit), per: .seconds(1 + number(10)), burst: 1 + number(limit / 2)) : nil)
    }
}
