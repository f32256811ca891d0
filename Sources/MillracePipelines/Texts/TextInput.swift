import Foundation
import MillraceCore
import MillraceInference
import MillraceText

/// Texts given as JSON, and what an uploaded file is read as.
enum TextInput {
    enum Kind: Equatable {
        case table, json, text

        /// By the media type that the gateway found; plain text with a table's file name is a table.
        init(_ file: HandlerRequest.File) {
            let ending = file.displayName.lowercased().split(separator: ".").last ?? ""
            self =
                switch (file.mediaType.split(separator: ";").first ?? "", ending) {
                case ("application/json", _), (_, "json"): .json
                case ("text/plain", "csv"), ("text/plain", "tsv"), ("text/plain", "tab"): .table
                case ("text/plain", _): .text
                default: .table
                }
        }
    }

    static let hint = "send {\"text\": \"...\"}, {\"texts\": [\"...\", ...]}, a string or an array of strings"

    /// - Throws: `invalid_input` for another shape, `too_large` for more texts than rows are allowed.
    static func texts(in input: JSONValue, limits: EndpointLimits) throws(JobFailure) -> [String] {
        let values: [JSONValue]
        switch input {
        case .string: values = [input]
        case .array(let elements): values = elements
        case .object(let members):
            if let unknown = members.keys.filter({ $0 != "text" && $0 != "texts" }).min() {
                let near = Spelling.nearest(to: unknown, in: ["text", "texts"])
                throw JobFailure(
                    .invalidInput, "the input has the unknown member \"\(unknown)\"",
                    hint: near.map { "did you mean \"\($0)\"?" } ?? hint)
            }
            switch (members["text"], members["texts"]) {
            case (let text?, nil): values = [text]
            case (nil, .array(let elements)?): values = elements
            default: throw JobFailure(.invalidInput, "the input has no text, or both \"text\" and \"texts\"", hint: hint)
            }
        default: throw JobFailure(.invalidInput, "the input is of type \(input.typeName)", hint: hint)
        }
        guard !values.isEmpty else { throw JobFailure(.missingInput, "the list of texts is empty", hint: hint) }
        guard values.count <= limits.rowsMax else {
            throw JobFailure(.tooLarge, "there are \(values.count) texts, more than the \(limits.rowsMax) allowed")
        }
        var texts: [String] = []
        for (index, value) in values.enumerated() {
            guard let text = value.stringValue else {
                throw JobFailure(.invalidInput, "text \(index + 1) is of type \(value.typeName)", hint: hint)
            }
            texts.append(text)
        }
        return texts
    }

    static func texts(inJSONAt path: String, limits: EndpointLimits) throws(JobFailure) -> [String] {
        let text = try TextFile.read(path: path)
        guard let value = try? MillraceJSON.decode(JSONValue.self, from: text) else {
            throw JobFailure(.invalidInput, "the file is not valid JSON", hint: hint)
        }
        return try texts(in: value, limits: limits)
    }
}
