import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceWire

/// Believes a worker's outputs only when their rows were reserved for the job and their bytes are in the blob store.
struct OutputInspection: Sendable {
    let queue: JobQueue
    let blobs: any BlobStore

    /// The outcome as it can be recorded: a success whose outputs are not there is a failure that is tried again.
    func checked(_ outcome: SettleRequest.Outcome, of job: JobID) async throws -> AttemptReport.Outcome {
        switch outcome {
        case .failed(let failure): return .failed(failure)
        case .cancelled: return .cancelled
        case .released(let reason): return .released(reason: reason)
        case .succeeded(let outputs, let inline):
            if let fault = Self.fault(inNames: inline.map(\.name) + outputs.map(\.name)) {
                return .failed(JobFailure(.handlerProtocol, fault, hint: "outputs have different, plain names"))
            }
            for output in outputs {
                guard let fault = try await fault(in: output, of: job) else { continue }
                return .failed(JobFailure(.blobUnknown, "the output \"\(output.name)\" \(fault)", retryable: true))
            }
            if let long = inline.first(where: { $0.text.utf8.count > InlineOutput.bytesMax }) {
                return .failed(
                    JobFailure(.handlerProtocol, "the output \"\(long.name)\" is too long to be kept with its job", hint: "store it as a blob"))
            }
            return .succeeded(outputs: outputs, inline: inline)
        }
    }

    /// The checkpoint, or `nil` when its bytes are not there: the attempt then goes on without it.
    func checked(_ checkpoint: JobCheckpoint?, of job: JobID) async throws -> JobCheckpoint? {
        guard let checkpoint else { return nil }
        // Segments that the job has already were looked at when they came.
        let known = try await queue.job(job)?.checkpoint?.files ?? []
        for file in checkpoint.files where !known.contains(file) {
            if try await fault(in: file, of: job) != nil { return nil }
        }
        return checkpoint
    }

    private func fault(in file: JobFile, of job: JobID) async throws -> String? {
        guard let record = try await queue.blob(file.blob), record.state != .deleting, record.writer == job else {
            return "names blob \(file.blob), which was not reserved for this job"
        }
        do {
            let bytes = try await blobs.read(file.blob, range: 0..<0).bytesTotal
            return bytes == file.bytes ? nil : "has \(bytes) bytes in the blob store and \(file.bytes) in the report"
        } catch let error as MillraceError where error.code == .blobUnknown {
            return "has no bytes in the blob store"
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }

    /// Names become parts of addresses.
    private static func fault(inNames names: [String]) -> String? {
        if names.count > 1, Set(names).count < names.count { return "two outputs have the same name" }
        let bad = names.first { name in
            !(1...128).contains(name.utf8.count) || name == "." || name == ".." || !name.utf8.allSatisfy(isPlain)
        }
        return bad.map { "\"\($0.prefix(128))\" cannot be the name of an output" }
    }
}
