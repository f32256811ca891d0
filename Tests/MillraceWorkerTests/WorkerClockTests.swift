import MillraceCore
@testable import MillraceWorker
import Testing

@Suite struct WorkerClockTests {
    @Test func `a worker corrects its clock by that of its gateway, but not for the way of an answer or an old gateway`() {
        let now = Timestamp(milliseconds: 1_767_225_600_000)
        #expect(Worker.ahead(now + .seconds(3600), of: now) == .seconds(3600))
        #expect(Worker.ahead(now - .seconds(3600), of: now) == .seconds(-3600))
        #expect(Worker.ahead(now - .milliseconds(999), of: now) == .zero)
        #expect(Worker.ahead(nil, of: now) == .zero)
    }
}
