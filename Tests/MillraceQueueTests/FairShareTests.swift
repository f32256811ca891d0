import MillraceQueue
import MillraceTestSupport
import Testing

@Suite("Fair shares")
struct FairShareTests {
    /// A lane of the trials: what it says is queued, and how much of that is due.
    private struct Trial {
        var candidate: FairShare<Int>.Candidate
        var due: Int
        var room: Int
    }

    private func trials(_ random: inout SplitMix64, allDue: Bool, limit: Int?) -> [Trial] {
        (0..<Int.random(in: 1...7, using: &random)).map { index in
            let queued = Int.random(in: 1...12, using: &random)
            let running = Int.random(in: 0...6, using: &random)
            return Trial(
                candidate: .init(
                    lane: index, tenant: "tenant \(index)", queued: queued, running: running, turn: Int64.random(in: 0...9, using: &random)),
                due: allDue ? queued : Int.random(in: 0...queued, using: &random), room: limit.map { max(0, $0 - running) } ?? .max)
        }
    }

    /// Fills places from the trials' lanes and gives the count that each lane got.
    private func fill(_ trials: [Trial], _ places: Int, limit: Int?) -> (got: [Int], served: [Int], left: TenantRoom) {
        let running = Dictionary(uniqueKeysWithValues: trials.map { ($0.candidate.tenant, $0.candidate.running) })
        var share = FairShare(trials.map(\.candidate), room: TenantRoom(runningMax: limit, running: running))
        var due = trials.map(\.due)
        let filled = share.fill(places) { lane, count in
            let taken = min(count, due[lane])
            due[lane] -= taken
            return Array(repeating: lane, count: taken)
        }
        return (trials.indices.map { lane in filled.found.count { $0 == lane } }, share.served, filled.room)
    }

    /// The same by the definition: place after place to the lane in which the fewest run, then to the one whose turn is longest ago.
    private func reference(_ trials: [Trial], _ places: Int) -> [Int] {
        var got = Array(repeating: 0, count: trials.count)
        var turns = trials.map(\.candidate.turn)
        for place in 0..<places {
            let open = trials.indices.filter { got[$0] < min(trials[$0].due, trials[$0].room) }
            let next = open.min {
                (trials[$0].candidate.running + got[$0], turns[$0], trials[$0].candidate.tenant)
                    < (trials[$1].candidate.running + got[$1], turns[$1], trials[$1].candidate.tenant)
            }
            guard let next else { break }
            got[next] += 1
            turns[next] = 100 + Int64(place)
        }
        return got
    }

    @Test("are those of filling place by place", arguments: 1...10 as ClosedRange<UInt64>)
    func exact(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            let limit = Bool.random(using: &random) ? Int.random(in: 0...8, using: &random) : nil
            let trials = trials(&random, allDue: true, limit: limit)
            let places = Int.random(in: 0...40, using: &random)
            #expect(fill(trials, places, limit: limit).got == reference(trials, places), "\(trials), \(places) places")
        }
    }

    @Test("leave nobody behind who could take more, though lanes hold jobs for later", arguments: 1...10 as ClosedRange<UInt64>)
    func maxMin(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            let limit = Bool.random(using: &random) ? Int.random(in: 0...8, using: &random) : nil
            let trials = trials(&random, allDue: false, limit: limit)
            let places = Int.random(in: 0...40, using: &random)
            let (got, served, left) = fill(trials, places, limit: limit)
            let most = trials.map { min($0.due, $0.room) }
            #expect(got.reduce(0, +) == min(places, most.reduce(0, +)), "a place stayed free: \(trials), \(places) places")
            #expect(zip(got, most).allSatisfy { $0 <= $1 })
            #expect(Set(served) == Set(trials.indices.filter { got[$0] > 0 }) && served.count == Set(served).count)
            for taker in trials.indices where got[taker] > 0 {
                for other in trials.indices where got[other] < most[other] {
                    #expect(trials[taker].candidate.running + got[taker] - 1 <= trials[other].candidate.running + got[other])
                }
            }
            for lane in trials.indices { #expect(left.left(for: "tenant \(lane)") == (limit == nil ? .max : trials[lane].room - got[lane])) }
        }
    }

    @Test("do not depend on the order in which lanes are given")
    func order() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<100 {
            let trials = trials(&random, allDue: true, limit: nil)
            let candidates = trials.map(\.candidate)
            func found(_ candidates: [FairShare<Int>.Candidate]) -> [Int] {
                var share = FairShare(candidates, room: TenantRoom(runningMax: nil, running: [:]))
                return share.fill(9) { Array(repeating: $0, count: $1) }.found
            }
            #expect(found(candidates) == found(candidates.shuffled(using: &random)))
        }
    }

    @Test("name the lane that was served last at the end, so that the others come first the next time")
    func turns() {
        let candidates = [("first", 3), ("second", 1), ("third", 2)].map {
            FairShare<String>.Candidate(lane: $0.0, tenant: $0.0, queued: 9, running: 0, turn: $0.1)
        }
        var share = FairShare(candidates, room: TenantRoom(runningMax: nil, running: [:]))
        #expect(share.fill(2) { Array(repeating: $0, count: $1) }.found == ["second", "third"])
        #expect(share.served == ["second", "third"])
    }

    @Test("of a long queue alone are fetched in one go")
    func alone() {
        var share = FairShare(
            [.init(lane: 0, tenant: "a", queued: 1_000_000, running: 0, turn: 0)], room: TenantRoom(runningMax: nil, running: [:]))
        var fetches: [Int] = []
        _ = share.fill(5000) { lane, count in
            fetches.append(count)
            return Array(repeating: lane, count: count)
        }
        #expect(fetches == [5000])
    }
}
