import Foundation
import MillraceCore

/// Text to the token ids of a BERT model: `[CLS]`, word pieces, `[SEP]`.
///
/// The ids equal those of Hugging Face `tokenizers` for a `BertNormalizer`, `BertPreTokenizer` and `WordPiece` model.
/// A word that cannot be put together from pieces, or is longer than 100 scalars, is `[UNK]`. Special tokens that stand
/// literally in the text (`[SEP]`) count as themselves, as they do there.
/// Source: Schuster and Nakajima 2012 (WordPiece); Devlin et al. 2019 (BERT).
public struct WordPieceTokenizer: Sendable {
    /// Two, for `[CLS]` and `[SEP]`.
    public static let specialCount = 2
    private static let wordScalarsMax = 100

    private let normalizer: BertNormalizer
    private let words: VocabularyTable
    private let continuations: VocabularyTable
    private let specials: [(text: String, id: Int64)]
    private let classification: Int64
    private let separator: Int64
    private let unknown: Int64

    /// - Parameters:
    ///   - path: A `vocab.txt`, one token a line; the line's number from 0 is the id.
    ///   - lowercase: For an uncased vocabulary: lower case without accents.
    /// - Throws: `model_unavailable` when the file cannot be read or lacks `[CLS]`, `[SEP]` or `[UNK]`.
    public init(vocabularyAt path: String, lowercase: Bool = true) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw MillraceError(.modelUnavailable, "the vocabulary \(path) is missing or cannot be read")
        }
        var lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
        }
        if lines.last == [] { lines.removeLast() }
        try self.init(tokens: lines, lowercase: lowercase, source: path)
    }

    /// - Parameter tokens: By id.
    public init(tokens: [String], lowercase: Bool = true) throws {
        try self.init(tokens: tokens.map { Array($0.utf8) }, lowercase: lowercase, source: "given")
    }

    private init(tokens: [[UInt8]], lowercase: Bool, source: String) throws {
        let continuation = Array("##".utf8)
        var first: [(utf8: [UInt8], id: Int64)] = []
        var later: [(utf8: [UInt8], id: Int64)] = []
        var specials: [(text: String, id: Int64)] = []
        let specialNames = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        for (index, token) in tokens.enumerated() where !token.isEmpty {
            let id = Int64(index)
            first.append((token, id))
            if token.starts(with: continuation), token.count > continuation.count {
                later.append((Array(token.dropFirst(continuation.count)), id))
            }
            if let name = specialNames.first(where: { $0.utf8.elementsEqual(token) }) { specials.append((name, id)) }
        }
        func id(_ name: String) throws -> Int64 {
            guard let special = specials.first(where: { $0.text == name }) else {
                throw MillraceError(
                    .modelUnavailable, "the vocabulary \(source) has no \(name)", hint: "it must be a BERT vocab.txt")
            }
            return special.id
        }
        normalizer = BertNormalizer(lowercase: lowercase)
        words = VocabularyTable(first)
        continuations = VocabularyTable(later)
        classification = try id("[CLS]")
        separator = try id("[SEP]")
        unknown = try id("[UNK]")
        self.specials = specials
    }

    /// The ids, `[CLS]` and `[SEP]` included, cut to `tokensMax` by leaving out the text's end.
    ///
    /// - Parameter tokensMax: At least 2.
    public func ids(of text: String, tokensMax: Int) -> [Int64] {
        precondition(tokensMax >= Self.specialCount, "there must be room for [CLS] and [SEP]")
        let room = tokensMax - Self.specialCount
        var ids = [classification]
        var hashes: [UInt64] = []
        for part in parts(of: text) {
            guard ids.count <= room else { break }
            switch part {
            case .special(let id): ids.append(id)
            case .text(let piece):
                normalizer.forEachWord(in: piece) { word, scalarCount in
                    append(word, scalarCount, to: &ids, &hashes)
                    return ids.count <= room
                }
            }
        }
        if ids.count > room + 1 { ids.removeSubrange((room + 1)...) }
        return ids + [separator]
    }

    private func append(_ word: [UInt8], _ scalarCount: Int, to ids: inout [Int64], _ hashes: inout [UInt64]) {
        guard scalarCount <= Self.wordScalarsMax else { return ids.append(unknown) }
        let before = ids.count
        var start = 0
        while start < word.count {
            let table = start == 0 ? words : continuations
            guard let piece = table.longestPrefix(of: word, from: start, hashes: &hashes) else {
                ids.removeSubrange(before...)
                return ids.append(unknown)
            }
            ids.append(piece.id)
            start = piece.end
        }
    }

    private enum Part {
        case text(Substring)
        case special(Int64)
    }

    /// The text, split at special tokens that stand in it.
    private func parts(of text: String) -> [Part] {
        guard text.utf8.contains(UInt8(ascii: "[")) else { return [.text(text[...])] }
        var parts: [Part] = []
        var start = text.startIndex
        var position = start
        while position < text.endIndex {
            if text.utf8[position] == UInt8(ascii: "["),
                let special = specials.first(where: { text.utf8[position...].starts(with: $0.text.utf8) })
            {
                if start < position { parts.append(.text(text[start..<position])) }
                parts.append(.special(special.id))
                position = text.utf8.index(position, offsetBy: special.text.utf8.count)
                start = position
            } else {
                position = text.utf8.index(after: position)
            }
        }
        if start < text.endIndex { parts.append(.text(text[start...])) }
        return parts
    }
}
