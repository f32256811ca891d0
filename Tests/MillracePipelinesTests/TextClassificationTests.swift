import Foundation
import MillraceCore
import MillraceInference
import MillracePipelines
import MillraceText
import Testing

struct TextClassificationTests {
    private struct Reference: Decodable {
        var text: String
        var logits: [Double]
        var predicted: String
    }

    @Test(arguments: [1, 7, 32])
    func `texts get the reference's logits, whatever is in their batch`(batch: Int) async throws {
        let references = try fixture("sentiment.json", as: [Reference].self)
        let model = try await LoadedModel.sentiment()
        let work = try Workplace()
        let jobs = try [references, references.reversed()].map { list in
            try work.job(input: ["texts": .array(list.map { .string($0.text) })])
        }
        let outputs = try await model.run(jobs, batch: batch, backwards: true)
        var worst = 0.0
        for (output, list) in zip(outputs, [references, references.reversed()]) {
            let results = try #require(try output[0].json()["results"]?.arrayValue)
            #expect(results.count == list.count)
            for (result, reference) in zip(results, list) {
                #expect(result["label"]?.stringValue == reference.predicted)
                for (mine, expected) in zip(result["logits"]?.arrayValue ?? [], reference.logits) {
                    worst = max(worst, abs(try #require(mine.doubleValue) - expected))
                }
            }
        }
        #expect(worst < 1e-3)
        print("text-classification, batch \(batch): largest difference of a logit \(worst)")
    }

    @Test func `a table comes back as it was, with two columns more`() async throws {
        let path = repository.path + "/Examples/data/comments-1000.csv"
        let original = try Data(contentsOf: URL(filePath: path))
        let file = HandlerRequest.File(name: "file", filename: "comments-1000.csv", path: path, mediaType: "text/csv", bytes: 0)
        let model = try await LoadedModel.sentiment()
        let work = try Workplace()
        let output = try await model.run([work.job(files: [file])], batch: 32, backwards: true)[0][0]
        #expect(output.name == "result.csv" && output.mediaType == "text/csv")

        let lines = try output.data().split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        let before = original.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        #expect(lines.count == before.count && lines.count == 1002)
        // The reference's accuracy on this file is 82.1 %.
        var right = 0
        for (line, old) in zip(lines, before) where !old.isEmpty {
            let record = old.last == 0x0D ? old.dropLast() : old[...]
            #expect(line.starts(with: record) && line.last == old.last || old.last != 0x0D)
            let added = String(decoding: line.dropFirst(record.count + 1), as: UTF8.self).split(separator: ",")
            if added.first == String(decoding: record, as: UTF8.self).split(separator: ",").last { right += 1 }
        }
        #expect(right == 821)
    }

    @Test func `odd tables keep their form`() async throws {
        let model = try await LoadedModel.sentiment()
        func run(_ text: String, _ parameters: [String: JSONValue] = [:]) async throws -> String {
            let work = try Workplace()
            let outputs = try await model.run([work.job(files: [work.csv(text)], parameters: parameters)], batch: 4, backwards: true)
            // Scores differ by machine in the last digit; the labels and the form do not.
            return String(decoding: try outputs[0][0].data(), as: UTF8.self)
                .replacing(/[01]\.\d+/, with: "S")
        }
        #expect(try await run("id,text") == "id,text,sentiment,sentiment_score")
        #expect(try await run("id,text\r\n1,\"great,\r\nreally \"\"great\"\"\"\r\n\r\n2,awful") ==
            "id,text,sentiment,sentiment_score\r\n1,\"great,\r\nreally \"\"great\"\"\",positive,S\r\n\r\n2,awful,negative,S")
        #expect(try await run("sentiment;review;sentiment_2\nx;I love it;y\n") ==
            "sentiment;review;sentiment_2;sentiment_3;sentiment_score\nx;I love it;y;positive;S\n")
        #expect(try await run("\u{FEFF}a\tb\nx\tI hate this terrible thing\n") == "\u{FEFF}a\tb\tsentiment\tsentiment_score\nx\tI hate this terrible thing\tnegative\tS\n")
        #expect(try await run("text,other\nawful,I love it\n", ["column": " OTHER "]) == "text,other,sentiment,sentiment_score\nawful,I love it,positive,S\n")
    }

    @Test func `tables that cannot be used say why`() async throws {
        let model = try await LoadedModel.sentiment()
        func failure(_ bytes: [UInt8], _ parameters: [String: JSONValue] = [:], rowsMax: Int = 10) async throws -> JobFailure {
            let work = try Workplace()
            var limits = EndpointLimits()
            limits.rowsMax = rowsMax
            let job = try work.job(files: [work.file("t.csv", bytes, mediaType: "text/csv")], parameters: parameters, limits: limits)
            return try await #require(throws: JobFailure.self) { try await model.run([job], batch: 4) }
        }
        let missing = try await failure(Array("id,review\n1,good\n".utf8), ["column": "reviw"])
        #expect(missing.code == "column_missing" && missing.message.contains("\"id\", \"review\""))
        #expect(missing.hint == "did you mean \"review\"?")
        #expect(try await failure([]).code == "empty_file")
        #expect(try await failure(Array("id,text\n1\n".utf8)).code == "csv_malformed")
        #expect(try await failure([0x61, 0x0A, 0xE9, 0x0A]).code == "text_encoding")
        #expect(try await failure(Array("text\na\nb\nc\n".utf8), rowsMax: 2).code == "too_large")
        #expect(try await failure(Array("text\na\n".utf8), ["column": 3]).code == "invalid_parameter")
    }

    @Test func `texts are taken in several forms, from the request or a file`() async throws {
        let model = try await LoadedModel.sentiment()
        let work = try Workplace()
        let json = try work.file("in.json", Array("{\"texts\":[\"I love it\"]}".utf8), mediaType: "application/json")
        let text = try work.file("in.txt", Array("I love it".utf8), mediaType: "text/plain")
        let jobs = try [
            work.job(input: ["text": "I love it"]), work.job(input: ["texts": ["I love it"]]), work.job(input: "I love it"),
            work.job(input: ["I love it"]), work.job(files: [json]), work.job(files: [text]),
        ]
        for output in try await model.run(jobs, batch: 3) {
            let result = try #require(try output[0].json()["results"]?.arrayValue)
            #expect(result.count == 1 && result[0]["label"] == "positive")
            #expect(result[0]["scores"]?["positive"] == result[0]["score"])
        }
        for input in [nil, ["txt": "a"], [:], [1, 2], [], 5, ["text": "a", "texts": ["b"]], ["text": nil]] as [JSONValue?] {
            let code = await code { try await model.pipeline.open(work.job(input: input)) }
            #expect(code == "invalid_input" || code == "missing_input", "\(String(describing: input))")
        }
    }

    @Test func `random bytes as a table or as JSON never crash`() async throws {
        let model = try await LoadedModel.sentiment()
        var state: UInt64 = 3
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let alphabet = Array(",;\"\n\r{}[]: ab1\t".utf8) + [0, 0xFF, 0xC3]
        for round in 0..<200 {
            let work = try Workplace()
            let bytes = Array("text,b\n".utf8.prefix(random(8))) + (0..<random(40)).map { _ in alphabet[random(alphabet.count)] }
            let type = round % 4 == 0 ? "application/json" : "text/csv"
            _ = try? await model.run([work.job(files: [work.file("t", bytes, mediaType: type)])], batch: 8)
        }
    }
}
