import MillraceConformance
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import Testing

/// A suite that never fails proves nothing: these stores break promises, and it must notice.
@Suite("The conformance suite", .timeLimit(.minutes(1)))
struct ConformanceCanaryTests {
    private func broken(_ factory: @escaping StoreFactory) async -> [String] {
        await withTaskGroup(of: String?.self) { group in
            for promise in StoreConformance.cases {
                group.addTask { await keeps(promise, factory) ? nil : promise.description }
            }
            return await group.reduce(into: []) { $0 += [$1].compactMap(\.self) }
        }
    }

    /// Whether a store keeps a promise. A broken one may let a case wait for ever, which is no keeping: its task is left behind.
    private func keeps(_ promise: StoreCase, _ factory: @escaping StoreFactory) async -> Bool {
        let (answers, answer) = AsyncStream.makeStream(of: Bool.self)
        let attempt = Task { answer.yield((try? await promise.run(factory)) != nil) }
        let limit = Task {
            try? await Surroundings.system.sleep(.seconds(20))
            answer.yield(false)
        }
        defer {
            attempt.cancel()
            limit.cancel()
        }
        var first = answers.makeAsyncIterator()
        return await first.next() ?? false
    }

    @Test("notices a store that keeps its own time")
    func ownTime() async {
        let broken = await broken { _ in InMemoryStore(.system) }
        #expect(broken.contains("a lease expires by the store's clock, not before"))
        #expect(broken.contains("a claimed delivery is nobody else's until the claim ends"))
    }

    @Test("notices a store that is not empty")
    func notEmpty() async {
        let broken = await broken { surroundings in
            let store = InMemoryStore(surroundings)
            _ = try await store.admit([NewJob(job: .fixture(in: surroundings))])
            return store
        }
        #expect(broken.contains("the highest priority goes first, then the oldest"))
        #expect(broken.contains("the backlog counts what is ready, scheduled and running, for each variant"))
    }

    @Test("notices two facades that are two stores")
    func twoStores() async {
        var broken: [String] = []
        for promise in StorePairConformance.cases {
            do {
                try await promise.run { (InMemoryStore($0), InMemoryStore($0)) }
            } catch {
                broken.append(promise.description)
            }
        }
        #expect(broken.contains("two facades lease disjoint jobs at the same time"))
        #expect(broken.contains("identical submits to two facades become one job"))
        #expect(broken.contains("a lease of one facade is renewed and ended at the other"))
    }

    @Test("notices that two stores differ, and tells the seed")
    func comparison() async {
        await #expect {
            try await StoreComparison.run(
                seed: 5, steps: 300,
                ({ InMemoryStore($0) }, { InMemoryStore(Surroundings(now: $0.now, sleep: $0.sleep, random: { 7 })) }))
        } throws: {
            "\($0)".contains("seed 5")
        }
    }

    @Test("names each promise once, as a sentence")
    func names() {
        let names = StoreConformance.cases.map(\.description) + StorePairConformance.cases.map(\.description)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.contains(" ") && !$0.hasSuffix(".") })
    }
}
