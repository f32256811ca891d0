import MillraceCloud
import MillraceCore
import MillraceInference
import MillraceWire

/// Where the outputs of one attempt go: small ones into its report, the others into the blob store.
struct OutputStore: Sendable {
    let transfer: BlobTransfer
    let reserveBlob: @Sendable () async throws -> BlobReservationResponse

    /// - Returns: the outputs, the primary one first: small ones as they are, then those in blobs.
    func store(_ outputs: [PipelineOutput]) async throws -> (inline: [InlineOutput], files: [JobFile]) {
        let inline = InlineOutput.leading(outputs)
        var files: [JobFile] = []
        for output in outputs.dropFirst(inline.count) { files.append(try await store(output)) }
        return (inline, files)
    }

    private func store(_ output: PipelineOutput) async throws -> JobFile {
        try Task.checkCancellation()
        return try await storeSegment(output).file
    }

    /// Stores an output or a part of one, whatever its size, also when the attempt has been told to stop.
    /// - Returns: what was stored, and where on this machine its bytes are, if they are.
    func storeSegment(_ output: PipelineOutput) async throws -> (file: JobFile, path: String?) {
        let place = try await reserveBlob()
        let digest = try await transfer.store(output.content, to: place.access)
        let file = JobFile(
            name: output.name, filename: output.name, blob: place.blob, mediaType: output.mediaType, bytes: digest.bytes,
            sha256: digest.sha256)
        return (file, place.access.path)
    }
}
