import Foundation
import MillraceCore
import MillraceInference

/// A pipeline with its loaded runner, and jobs to try it with.
public struct PipelineSubject: Sendable {
    public var driver: PipelineDriver
    /// The job whose outputs are looked at. Made anew for each run: a job's work directory is its own.
    public var job: @Sendable () throws -> PipelineJob
    /// Other people's jobs, of about its length and of other content.
    public var mates: @Sendable () throws -> [PipelineJob]
    /// Other people's jobs with larger items: longer texts, larger pages, louder values.
    public var largerMates: @Sendable () throws -> [PipelineJob]

    public init(
        driver: PipelineDriver, job: @escaping @Sendable () throws -> PipelineJob,
        mates: @escaping @Sendable () throws -> [PipelineJob], largerMates: @escaping @Sendable () throws -> [PipelineJob]
    ) {
        self.driver = driver
        self.job = job
        self.mates = mates
        self.largerMates = largerMates
    }
}

/// What every pipeline promises: a result does not depend on who shares its batch. Numbers differ by at most 1e-4, all else not at all.
public enum PipelineConformance {
    public static let cases: [ConformanceCase<PipelineSubject>] = [
        .init("a job's outputs are the same alone and among jobs of others") { try await compare($0, with: $0.mates, batches: [4]) },
        .init("a job's outputs are the same alone and among larger items") { try await compare($0, with: $0.largerMates, batches: [4]) },
        .init("a job's outputs are the same in batches of every size") { try await compare($0, with: { [] }, batches: [2, 3, 32]) },
    ]

    private static func compare(_ subject: PipelineSubject, with mates: @Sendable () throws -> [PipelineJob], batches: [Int]) async throws {
        let alone = try documents(try head(of: await subject.driver.run([subject.job()], batch: 1)))
        for batch in batches {
            let outputs = try await subject.driver.run([subject.job()] + mates(), batch: batch)
            let found = try documents(try head(of: outputs))
            try expectEqual(found.count, alone.count, "outputs in batches of \(batch)")
            for (one, other) in zip(alone, found) {
                if let difference = Difference.between(one, other, at: one["name"]?.stringValue ?? "") {
                    throw ConformanceFailure(description: "in batches of \(batch): \(difference)")
                }
            }
        }
    }

    /// The outputs as JSON, read at once: a file goes with its job. What is no JSON is taken apart into fields.
    private static func documents(_ outputs: [PipelineOutput]) throws -> [JSONValue] {
        try outputs.map { output in
            let data = try output.content.bytes()
            let content: JSONValue = output.mediaType == "application/json"
                ? try MillraceJSON.decode(from: data)
                : .array(String(decoding: data, as: UTF8.self).split { ",;\t\r\n".contains($0) }.map { field in
                    Double(field).map { .number($0) } ?? .string(String(field))
                })
            return ["name": .string(output.name), "content": content]
        }
    }
}

extension PipelineOutput.Content {
    fileprivate func bytes() throws -> Data {
        switch self {
        case .bytes(let bytes): Data(bytes)
        case .file(let path): try Data(contentsOf: URL(filePath: path))
        case .joined(let parts): try parts.reduce(into: Data()) { $0 += try $1.bytes() }
        }
    }
}

/// Where two documents differ by more than rounding.
private enum Difference {
    private static let limit = 1e-4

    static func between(_ one: JSONValue, _ other: JSONValue, at place: String) -> String? {
        switch (one, other) {
        case (.object(let left), .object(let right)) where left.keys == right.keys:
            return left.keys.sorted().lazy.compactMap { between(left[$0]!, right[$0]!, at: place + "." + $0) }.first
        case (.array(let left), .array(let right)) where left.count == right.count:
            return left.indices.lazy.compactMap { between(left[$0], right[$0], at: "\(place)[\($0)]") }.first
        default:
            if one == other { return nil }
            // Results are rounded for people, which may double the last digit's difference.
            if let a = one.doubleValue, let b = other.doubleValue, abs(a - b) <= limit * max(1, abs(a)) + 1e-9 { return nil }
            return "\(place) is \(text(other)), and alone \(text(one))"
        }
    }

    private static func text(_ value: JSONValue) -> String { (try? MillraceJSON.string(value)).map { String($0.prefix(200)) } ?? "unreadable" }
}
