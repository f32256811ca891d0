import MillraceTestSupport

/// Seeded chance, in the forms that the parties need.
struct Dice {
    private var random: SplitMix64

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
    }

    /// A number from a range, both ends included.
    mutating func number(_ range: ClosedRange<Int64>) -> Int64 {
        let width = UInt64(bitPattern: range.upperBound &- range.lowerBound) &+ 1
        return range.lowerBound &+ Int64(bitPattern: random.next() % width)
    }

    mutating func index(_ count: Int) -> Int {
        Int(random.next() % UInt64(count))
    }

    mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && Double(random.next() >> 11) * 0x1p-53 < probability
    }

    mutating func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[index(elements.count)]
    }

    mutating func seed() -> UInt64 { random.next() }
}
