import Foundation

/// BERT's text clean-up: control characters out, every kind of white space to a space, spaces around CJK ideographs,
/// and, for an uncased vocabulary, canonical decomposition without accents and lower case.
///
/// Source: Devlin et al., `google-research/bert` `tokenization.py`; details as in Hugging Face `tokenizers`.
struct BertNormalizer: Sendable {
    let lowercase: Bool

    /// The words of the text, split at white space and with every punctuation mark a word of its own, until `body`
    /// returns `false`.
    func forEachWord(in text: Substring, _ body: (_ utf8: [UInt8], _ scalarCount: Int) -> Bool) {
        var word: [UInt8] = []
        var count = 0
        func end() -> Bool {
            guard count > 0 else { return true }
            defer {
                word.removeAll(keepingCapacity: true)
                count = 0
            }
            return body(word, count)
        }
        var rest = text
        while !rest.isEmpty {
            let piece = Self.takePiece(of: &rest)
            for scalar in cleaned(piece) {
                let isPunctuation = BertScalar.isPunctuation(scalar)
                if isPunctuation || scalar == " " {
                    guard end() else { return }
                }
                guard scalar != " " else { continue }
                word.append(contentsOf: UTF8.encode(scalar).unsafelyUnwrapped)
                count += 1
                if isPunctuation {
                    guard end() else { return }
                }
            }
        }
        _ = end()
    }

    /// The next 4,096 bytes or a little more, up to a space, where no rule looks across.
    ///
    /// A model reads the first words of a long text; the rest need not be looked at.
    private static func takePiece(of rest: inout Substring) -> Substring {
        let utf8 = rest.utf8
        guard let start = utf8.index(utf8.startIndex, offsetBy: 4096, limitedBy: utf8.endIndex),
            let space = utf8[start...].firstIndex(of: UInt8(ascii: " "))
        else {
            defer { rest = rest[rest.endIndex...] }
            return rest
        }
        let end = utf8.index(after: space)
        defer { rest = rest[end...] }
        return rest[..<end]
    }

    private func cleaned(_ text: Substring) -> String.UnicodeScalarView {
        var result = String.UnicodeScalarView()
        var isASCII = true
        for scalar in text.unicodeScalars {
            isASCII = isASCII && scalar.isASCII
            switch BertScalar(scalar) {
            case .removed: continue
            case .space: result.append(" ")
            case .ideograph: result.append(contentsOf: [" ", scalar, " "])
            case .other: result.append(lowercase && scalar.isASCII ? Self.lowercased(scalar) : scalar)
            }
        }
        guard lowercase, !isASCII else { return result }
        var folded = String.UnicodeScalarView()
        for scalar in String(result).decomposedStringWithCanonicalMapping.unicodeScalars where !BertScalar.isAccent(scalar) {
            folded.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
        }
        return folded
    }

    private static func lowercased(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        ("A"..."Z").contains(scalar) ? Unicode.Scalar(UInt8(scalar.value) | 0x20) : scalar
    }
}
