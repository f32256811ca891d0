import Foundation
import Synchronization

/// Words of the system's random generator, taken many at a time: each identifier needs two, and a call of the kernel costs
/// as much as all else about it.
final class RandomWords: Sendable {
    static let system = RandomWords()

    private static let count = 64
    private let words = Mutex<[UInt64]>([])

    func next() -> UInt64 {
        words.withLock { words in
            if words.isEmpty { words = Self.fresh() }
            return words.removeLast()
        }
    }

    private static func fresh() -> [UInt64] {
        var fresh = [UInt64](repeating: 0, count: count)
        fresh.withUnsafeMutableBytes { arc4random_buf($0.baseAddress!, $0.count) }
        return fresh
    }
}
