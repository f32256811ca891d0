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
        let place = try await reserveBlob()
        let digest =
            switch output.content {
            case .bytes(let bytes): try await transfer.store(bytes: bytes, to: place.access)
            case .file(let path): try await transfer.store(fileAt: path, to: place.access)
            }
        return JobFile(
            name: output.name, filename: output.name, blob: place.blob, mediaType: output.mediaType, bytes: digest.bytes,
            sha256: digest.sha256)
    }
}
