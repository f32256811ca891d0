import Foundation
import MillraceCloud
import MillraceCore

/// What an endpoint says to a file, judged by its bytes: what it is, how large, and what its header tells.
///
/// Only what is cheap and certain is refused here; what needs a parser is for the worker to say.
struct InputInspection: Sendable {
    let endpoint: EndpointConfiguration
    let blobs: any BlobStore

    /// The media type that the file goes by, once enough of it is there.
    /// - Throws: `unsupported_media_type`, saying what was found and what is accepted.
    func mediaType(sniffed: String) throws -> String {
        let accepted = endpoint.manifest.accepts
        if accepted.isEmpty || accepted.contains(where: { ContentType.pattern($0, covers: sniffed) }) { return sniffed }
        // A table of one column looks like any text, and a table or JSON is text too.
        if sniffed == "text/plain", accepted.contains("text/csv") { return "text/csv" }
        if ["text/csv", "application/json"].contains(sniffed), accepted.contains(where: { ContentType.pattern($0, covers: "text/plain") }) {
            return "text/plain"
        }
        // Bytes of any kind: some of them look like text.
        if accepted.contains(ContentType.unknown) { return ContentType.unknown }
        let found = sniffed == ContentType.unknown ? "something unknown" : sniffed
        throw MillraceError(
            .unsupportedMediaType, "this file is \(found), and \"\(endpoint.name)\" accepts \(accepted.joined(separator: ", "))",
            hint: "the type is told from the file's bytes, not from its name")
    }

    /// Looks at a whole file. One that is not stored yet is judged by its beginning and end alone.
    func check(_ file: JobFile, prefix: [UInt8], tail: [UInt8], isStored: Bool = true) async throws {
        guard file.bytes > 0 else { throw Self.empty(file.filename ?? file.name) }
        if file.mediaType == "application/pdf", !PDFTrailer.isComplete(tail: tail) {
            throw MillraceError(
                .invalidInput, "the PDF \(Self.quoted(file)) has no end", hint: "the file was cut; make or download it again")
        }
        guard file.mediaType.hasPrefix("image/"), let header = try await header(of: file, prefix: prefix, isStored: isStored) else { return }
        guard header.pixels <= endpoint.limits.pixelsMax else {
            throw MillraceError(
                .imageTooLarge,
                "the image \(Self.quoted(file)) has \(header.width) x \(header.height) pixels; \"\(endpoint.name)\" takes up to \(endpoint.limits.pixelsMax)",
                hint: "make it smaller before sending it")
        }
    }

    /// A file that was uploaded before: its beginning and end are read again.
    func check(stored file: JobFile) async throws {
        guard file.bytes > 0 else { throw Self.empty(file.filename ?? file.name) }
        let tail = file.mediaType == "application/pdf"
            ? try await blobs.read(file.blob, range: max(0, file.bytes - Int64(PDFTrailer.tailBytes))..<file.bytes).collect() : []
        try await check(file, prefix: [], tail: tail)
    }

    static func empty(_ name: String) -> MillraceError {
        MillraceError(.emptyFile, "the file \"\(name)\" is empty", hint: "check that the path is right and that the file was written")
    }

    private static func quoted(_ file: JobFile) -> String { "\"\(file.filename ?? file.name)\"" }

    /// The image's size, from the bytes at hand or, when it stands further behind, from the store.
    private func header(of file: JobFile, prefix: [UInt8], isStored: Bool) async throws -> ImageHeader? {
        var reader = ImageHeaderReader()
        var step = ImageHeaderReader.first
        while case .read(let offset, let count) = step {
            guard offset >= 0, offset < file.bytes else { return nil }
            let end = min(offset + Int64(count), file.bytes)
            guard isStored || end <= Int64(prefix.count) else { return nil }
            let window = end <= Int64(prefix.count)
                ? Array(prefix[Int(offset)..<Int(end)]) : try await blobs.read(file.blob, range: offset..<end).collect()
            step = reader.step(window)
        }
        return if case .found(let header) = step { header } else { nil }
    }
}

extension BlobContent {
    func collect() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await chunk in chunks { bytes += chunk }
        return bytes
    }
}
