/// What BERT's normaliser and pre-tokeniser make of one Unicode scalar.
///
/// Equal to Hugging Face `tokenizers` (`normalizers/bert.rs`, `pre_tokenizers/bert.rs`), whose category tables are those
/// of Unicode 8: scalars that came later count as ordinary characters there, so ``Unicode/Scalar/Properties/age``
/// bounds every category here.
enum BertScalar {
    case removed
    case space
    /// A CJK ideograph: a word of its own.
    case ideograph
    case other

    init(_ scalar: Unicode.Scalar) {
        self = Self.classified(scalar)
    }

    private static func classified(_ scalar: Unicode.Scalar) -> BertScalar {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D, 0x20: return .space
        case 0x21...0x7E: return .other
        case 0xFFFD: return .removed
        default: break
        }
        if isIdeograph(scalar.value) { return .ideograph }
        if scalar.properties.isWhitespace { return isControl(scalar) ? .removed : .space }
        return isControl(scalar) ? .removed : .other
    }

    /// The blocks that the original BERT tokenizer surrounds with spaces.
    private static func isIdeograph(_ value: UInt32) -> Bool {
        switch value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .privateUse, .surrogate: isKnown(scalar)
        default: false
        }
    }

    static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
        case 0..<0x80: return false
        case 0x166D, 0x111C9: return true  // punctuation in Unicode 8, reclassified since
        default: break
        }
        return switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            isKnown(scalar)
        default: false
        }
    }

    static func isAccent(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1734, 0x1171E: true  // nonspacing in Unicode 8, reclassified since
        case 0x1885, 0x1886, 0xA9BD: false  // the other way round
        default: scalar.properties.generalCategory == .nonspacingMark && isKnown(scalar)
        }
    }

    private static func isKnown(_ scalar: Unicode.Scalar) -> Bool {
        guard let age = scalar.properties.age else { return false }
        return age.major <= 8
    }
}
