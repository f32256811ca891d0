import MillraceInference
import MillraceTestSupport
import Testing

@testable import MillracePipelines

struct ClassScoresTests {
    private func scores(_ values: [Float]) throws -> ClassScores {
        try ClassScores(of: ["logits": Tensor(values, shape: [values.count])], output: nil, classCount: values.count, activation: .none)
    }

    @Test("The top classes fall in probability, and of equals the lower index comes first")
    func top() throws {
        #expect(try scores([0.2, 0.5, 0.2, 0.5, 0.1]).top(3) == [1, 3, 0])
        #expect(try scores([0.2, 0.5, 0.2, 0.5, 0.1]).top(5) == [1, 3, 0, 2, 4])
        #expect(try scores([0.5, 0.5]).best == 0)
    }

    @Test("They are the first ones of all classes sorted", arguments: [1, 5, 99, 100])
    func sorted(count: Int) throws {
        var random = SplitMix64(seed: UInt64(count))
        let values = (0..<100).map { _ in Float(random.next() % 40) }
        let sorted = values.indices.sorted { (values[$0], $1) > (values[$1], $0) }
        #expect(try scores(values).top(count) == Array(sorted.prefix(count)))
    }
}
