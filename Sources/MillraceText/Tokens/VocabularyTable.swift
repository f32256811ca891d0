/// Word pieces by their UTF-8 bytes, for lookups of every prefix of a word without allocation.
///
/// Open addressing over FNV-1a hashes (Fowler, Noll, Vo). Two of these hold a vocabulary: one the pieces that begin a
/// word, one those that continue it, without their `##`.
struct VocabularyTable: Sendable {
    private var bytes: [UInt8] = []
    private var entries: [(start: Int, length: Int, id: Int64)] = []
    /// Index into `entries` plus 1; 0 is empty.
    private var slots: [Int32]

    init(_ pieces: [(utf8: [UInt8], id: Int64)]) {
        var capacity = 16
        while capacity < pieces.count * 2 { capacity *= 2 }
        slots = Array(repeating: 0, count: capacity)
        for piece in pieces {
            entries.append((bytes.count, piece.utf8.count, piece.id))
            bytes.append(contentsOf: piece.utf8)
            var slot = Self.slot(piece.utf8[...].reduce(Self.seed, Self.extend), capacity)
            while slots[slot] != 0 { slot = (slot + 1) & (capacity - 1) }
            slots[slot] = Int32(entries.count)
        }
    }

    /// The id of the longest piece that is a prefix of `word[start...]` and ends on a whole scalar.
    ///
    /// - Parameter hashes: Scratch space, kept by the caller between calls.
    func longestPrefix(of word: [UInt8], from start: Int, hashes: inout [UInt64]) -> (id: Int64, end: Int)? {
        hashes.removeAll(keepingCapacity: true)
        var hash = Self.seed
        for index in start..<word.count {
            hash = Self.extend(hash, word[index])
            hashes.append(hash)
        }
        var end = word.count
        while end > start {
            // A UTF-8 continuation byte after the piece means that it would end inside of a scalar.
            if end == word.count || word[end] & 0xC0 != 0x80,
                let id = id(of: word, start, end, hash: hashes[end - start - 1])
            {
                return (id, end)
            }
            end -= 1
        }
        return nil
    }

    private func id(of word: [UInt8], _ start: Int, _ end: Int, hash: UInt64) -> Int64? {
        var slot = Self.slot(hash, slots.count)
        while slots[slot] != 0 {
            let entry = entries[Int(slots[slot]) - 1]
            if entry.length == end - start, matches(entry.start, word, start, end) { return entry.id }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private func matches(_ offset: Int, _ word: [UInt8], _ start: Int, _ end: Int) -> Bool {
        for index in start..<end where bytes[offset + index - start] != word[index] { return false }
        return true
    }

    private static let seed: UInt64 = 0xCBF2_9CE4_8422_2325

    private static func extend(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    private static func slot(_ hash: UInt64, _ capacity: Int) -> Int {
        Int(truncatingIfNeeded: hash ^ (hash >> 29)) & (capacity - 1)
    }
}
