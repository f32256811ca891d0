import Foundation
import MillraceCore
import MillraceWire

/// Reads the jobs of a bulk submit: a line of JSON each, or an object with a list. What one job has wrong is its own fault.
struct BulkReader: Sendable {
    let jobsMax: Int

    typealias Item = Result<JobDocument, MillraceError>

    func read(_ body: Data, contentType: String?) throws -> [Item] {
        let type = contentType.flatMap { ContentType($0) }?.essence
        let items =
            switch type {
            case "application/x-ndjson", "application/jsonl", "application/x-jsonlines": try lines(of: body)
            case "application/json": try list(in: body)
            default:
                throw MillraceError(
                    .unsupportedMediaType, "a bulk submit is application/x-ndjson or application/json, not \(type ?? "of no type")",
                    hint: #"one JSON object a line, such as {"input": ...}, or {"jobs": [{"input": ...}, ...]}"#)
            }
        guard !items.isEmpty else {
            throw MillraceError(.missingInput, "the request has no jobs", hint: #"one JSON object a line, such as {"input": ...}"#)
        }
        return items
    }

    private func lines(of body: Data) throws -> [Item] {
        try body.withUnsafeBytes { raw in
            let lines = raw.bindMemory(to: UInt8.self).split(separator: UInt8(ascii: "\n")).filter { line in
                line.contains { $0 != 0x20 && $0 != 0x0D && $0 != 0x09 }
            }
            try check(lines.count)
            return lines.map { Self.item(UnsafeBufferPointer(rebasing: $0)) }
        }
    }

    /// Before any of them is looked into: what is wrong with a job costs more to say than to read it.
    private func check(_ count: Int) throws {
        guard count <= jobsMax else {
            throw MillraceError(
                .tooLarge, "the request has \(count) jobs; up to \(jobsMax) come in one", hint: "send it in parts; nothing was taken in")
        }
    }

    private func list(in body: Data) throws -> [Item] {
        var texts: [String] = []
        try JSONReader.read(body) { reader in
            try reader.object { key, reader in
                guard "jobs" ~= key else { throw reader.fault("a field is not known; the only one is \"jobs\"") }
                try reader.array { texts.append(try $0.rawText()) }
            }
        }
        try check(texts.count)
        return texts.map { Self.item($0.utf8) }
    }

    private static func item(_ bytes: some Collection<UInt8>) -> Item {
        do {
            return .success(try JobDocument(reading: bytes, in: .bulk))
        } catch let error as MillraceError {
            return .failure(error)
        } catch let error as DecodingError {
            return .failure(MillraceError(.malformedRequest, error.inWords, hint: error.remedy))
        } catch {
            return .failure(MillraceError(.malformedRequest, "the job could not be read"))
        }
    }
}
