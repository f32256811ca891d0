import Foundation
import Testing

@testable import MillraceCore

@Suite("Sleeps", .timeLimit(.minutes(1)))
struct AlarmsTests {
    let alarms = Alarms()

    @Test("all end, whichever begins first, and none before its time")
    func ends() async throws {
        let ended = await withTaskGroup(of: (Int, Duration).self) { group in
            for tens in [12, 3, 9, 6] {
                group.addTask {
                    let start = ContinuousClock.now
                    try? await alarms.sleep(for: .milliseconds(tens * 10))
                    return (tens, ContinuousClock.now - start)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(ended.count == 4)
        #expect(ended.allSatisfy { $0.1 >= .milliseconds($0.0 * 10) })
    }

    @Test("share timers: short ones before a long one do not add to its own")
    func timers() async throws {
        let long = Task { try await alarms.sleep(for: .seconds(3600)) }
        for _ in 0..<20 { try await alarms.sleep(for: .milliseconds(1)) }
        #expect(alarms.timersUnderWay <= 2)
        long.cancel()
        _ = try? await long.value
    }

    @Test("end early when their task is cancelled, and leave the others alone")
    func cancellation() async throws {
        let long = Task { try await alarms.sleep(for: .seconds(3600)) }
        let short = Task { try await alarms.sleep(for: .milliseconds(200)) }
        try await alarms.sleep(for: .milliseconds(20))
        long.cancel()
        await #expect(throws: CancellationError.self) { try await long.value }
        try await short.value
        // Behind the alarm of the cancelled one.
        try await alarms.sleep(for: .milliseconds(1))
    }

    @Test("do not begin in a cancelled task")
    func cancelledBefore() async throws {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await alarms.sleep(for: .seconds(3600))
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("come and go by the thousand, cancelled at any moment")
    func storm() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<2000 {
                group.addTask {
                    let sleep = Task { try await alarms.sleep(for: .microseconds(number % 7 * 300)) }
                    if number.isMultiple(of: 3) { sleep.cancel() }
                    try? await sleep.value
                }
            }
            try await group.waitForAll()
        }
        try await alarms.sleep(for: .zero)
    }
}
