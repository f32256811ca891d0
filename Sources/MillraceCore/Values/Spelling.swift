/// "Did you mean": the nearest known word to a mistyped one.
public enum Spelling {
    private static let wordBytesMax = 100

    /// The candidate within a third of the word's length (at least 2 edits), or `nil` when none is that near.
    public static func nearest(to word: String, in candidates: some Sequence<String>) -> String? {
        // Nobody mistypes a word into a page.
        guard word.utf8.count <= wordBytesMax else { return nil }
        let allowed = max(2, word.count / 3)
        return candidates
            .map { (word: $0, distance: distance(word.lowercased(), $0.lowercased())) }
            .filter { $0.distance <= allowed && $0.distance < word.count }
            .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?
            .word
    }

    /// Levenshtein's edit distance.
    static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in right.enumerated() {
                let above = row[j + 1]
                row[j + 1] = a == b ? diagonal : 1 + min(diagonal, above, row[j])
                diagonal = above
            }
        }
        return row[right.count]
    }
}
