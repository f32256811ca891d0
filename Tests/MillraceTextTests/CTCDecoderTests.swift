import MillraceText
import Testing

@Suite("Text from a recogniser's classes")
struct CTCDecoderTests {
    private let decoder = CTCDecoder(characters: ["a", "b", "é"])

    /// A line whose steps have these classes, each with this probability.
    private func line(_ steps: [(best: Int, probability: Float)], of decoder: CTCDecoder) -> CTCDecoder.Line {
        var values: [Float] = []
        for step in steps {
            values += (0..<decoder.classCount).map { $0 == step.best ? step.probability : (1 - step.probability) / Float(decoder.classCount) }
        }
        return values.withUnsafeBufferPointer { decoder.line($0, steps: steps.count) }
    }

    @Test("A character in steps next to each other is one; with a blank between it is two; the last class is the space")
    func greedy() {
        let found = line([(0, 0.9), (1, 0.8), (1, 0.9), (0, 0.9), (1, 0.6), (4, 1), (3, 0.7), (2, 0.9)], of: decoder)
        #expect(found.text == "aa éb")
        // The first step of each character counts.
        #expect(abs(found.confidence - (0.8 + 0.6 + 1 + 0.7 + 0.9) / 5) < 1e-6)
    }

    @Test("Nothing is no text, and sure of nothing")
    func empty() {
        let nothing = line([(0, 0.9), (0, 0.8)], of: decoder)
        #expect(nothing.text.isEmpty && nothing.confidence == 0)
        #expect(line([], of: decoder).text.isEmpty)
    }

    @Test("The largest of thousands of classes is found at every place")
    func many() {
        let many = CTCDecoder(characters: (0..<1000).map { "\($0)," })
        for best in [1, 2, 15, 16, 17, 31, 32, 500, 991, 992, 999, 1000] {
            #expect(line([(best, 0.5)], of: many).text == "\(best - 1),")
        }
        #expect(line([(1001, 0.5)], of: many).text == " ")
    }
}
