/// Reads text from the output of a recogniser trained with connectionist temporal classification: for each step the
/// probabilities of the classes, of which the first one means that there is nothing.
///
/// Greedy: the most probable class of each step; the same class in steps next to each other is one character.
public struct CTCDecoder: Sendable {
    public struct Line: Sendable, Equatable {
        public var text: String
        /// The mean probability of its characters, from 0 to 1; 0 when there are none.
        public var confidence: Float
    }

    /// By class, from class 1 on.
    private let characters: [String]

    /// - Parameter characters: in the order of the classes, without the blank and without the space, which comes last.
    public init(characters: [String]) {
        self.characters = characters + [" "]
    }

    /// The blank, the characters, and the space.
    public var classCount: Int { characters.count + 1 }

    /// - Parameter probabilities: `steps * classCount` values, step by step.
    public func line(_ probabilities: UnsafeBufferPointer<Float>, steps: Int) -> Line {
        precondition(probabilities.count == steps * classCount, "a recogniser's values must fit its characters")
        var (text, sum, count, last) = ("", Float(0), 0, 0)
        for step in 0..<steps {
            let (best, probability) = Self.largest(probabilities, from: step * classCount, count: classCount)
            if best != 0, best != last {
                text += characters[best - 1]
                sum += probability
                count += 1
            }
            last = best
        }
        return Line(text: text, confidence: count > 0 ? sum / Float(count) : 0)
    }

    /// The first of the largest values. Lines have millions of values, so they are looked through sixteen at a time; and most steps are
    /// blank: where that is more probable than not, nothing else can be more so.
    private static func largest(_ values: UnsafeBufferPointer<Float>, from start: Int, count: Int) -> (index: Int, value: Float) {
        guard values[start] <= 0.5 else { return (0, values[start]) }
        let base = UnsafeRawPointer(values.baseAddress! + start)
        var largest = SIMD16<Float>(repeating: -.infinity)
        var index = 0
        while index + 16 <= count {
            let next = base.loadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
            // Not `pointwiseMax`, which looks at one value after the other.
            largest.replace(with: next, where: next .> largest)
            index += 16
        }
        var value = largest.max()
        while index < count {
            value = max(value, values[start + index])
            index += 1
        }
        var place = 0
        while place < count - 1, values[start + place] != value { place += 1 }
        return (place, value)
    }
}
