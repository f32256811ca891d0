import Foundation
import MillraceCore
import Testing

@testable import MillraceText

private let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

struct WordPieceTokenizerTests {
    let tokenizer: WordPieceTokenizer

    init() throws {
        tokenizer = try WordPieceTokenizer(
            vocabularyAt: repository.appending(path: "models/minilm-sentiment/vocab.txt").path)
    }

    @Test func `every comment gives the ids that Hugging Face tokenizers gives`() throws {
        let expected = try Self.fixture("comments-ids", as: [[Int64]].self)
        var reader = try CSVReader(path: repository.appending(path: "Examples/data/comments-1000.csv").path)
        let column = try #require(reader.columns.firstIndex(of: "text"))
        var row = 0
        while let record = try reader.next() {
            let text = String(decoding: record.fields[column], as: UTF8.self)
            #expect(tokenizer.ids(of: text, tokensMax: 96) == expected[row], "row \(row + 1): \(text)")
            row += 1
        }
        #expect(row == 1000)
    }

    @Test func `odd texts give the ids that Hugging Face tokenizers gives`() throws {
        let cases = try Self.fixture("nasty", as: [OddText].self)
        #expect(cases.count > 150)
        for odd in cases {
            #expect(tokenizer.ids(of: odd.text, tokensMax: 96) == odd.ids, "\(odd.text.prefix(80).debugDescription)")
        }
    }

    @Test func `a text is cut at its end and keeps both marks`() {
        let ids = tokenizer.ids(of: "one two three four", tokensMax: 4)
        #expect(ids == [101, 2028, 2048, 102])
        #expect(tokenizer.ids(of: "one", tokensMax: 2) == [101, 102])
    }

    @Test func `a cased vocabulary keeps case and accents`() throws {
        let cased = try WordPieceTokenizer(tokens: ["[UNK]", "[CLS]", "[SEP]", "Caf", "##é", "caf"], lowercase: false)
        #expect(cased.ids(of: "Café café", tokensMax: 10) == [1, 3, 4, 5, 4, 2])
    }

    @Test func `a vocabulary without the special tokens is refused`() {
        let error = #expect(throws: MillraceError.self) { try WordPieceTokenizer(tokens: ["a", "b"]) }
        #expect(error?.code == .modelUnavailable)
        #expect(throws: MillraceError.self) { try WordPieceTokenizer(vocabularyAt: "/nowhere/vocab.txt") }
    }

    private struct OddText: Decodable {
        var text: String
        var ids: [Int64]

        init(from decoder: any Decoder) throws {
            var container = try decoder.unkeyedContainer()
            text = try container.decode(String.self)
            ids = try container.decode([Int64].self)
        }
    }

    private static func fixture<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: "json"))
        return try JSONDecoder().decode(type, from: Data(contentsOf: url))
    }
}
