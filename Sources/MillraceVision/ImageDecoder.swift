import CVips
import Foundation
import MillraceCore

/// Reads JPEG, PNG, WebP and TIFF into ``RGBImage``s through libvips. Anything else is refused by its first bytes, so no
/// other loader of libvips ever sees an input.
///
/// Photos are turned as their EXIF orientation says. Gray becomes three equal channels, 16 bits are cut to 8,
/// and what is transparent is laid on white. Embedded colour profiles are ignored, as most training pipelines do.
public struct ImageDecoder: Sendable {
    /// Pixels of one image, width times height, as its header tells.
    public var pixelsMax: Int64

    public init(pixelsMax: Int64) {
        self.pixelsMax = pixelsMax
    }

    private static let start: Bool = millrace_vips_start() == 0

    /// Loads libvips, 60 ms and more that a first image need not wait for.
    public static func prepare() { _ = start }

    /// - Throws: Those of ``decode(_:)``, and `input_unavailable`.
    public func decode(path: String, page: Int = 0) throws(JobFailure) -> RGBImage {
        try decode(try contents(of: path), page: page)
    }

    /// How many images a file has; more than one only in TIFF. Reads headers only.
    /// - Throws: As ``decode(path:page:)``.
    public func pageCount(path: String) throws(JobFailure) -> Int {
        try withImage(try contents(of: path), page: 0) { _, header throws(JobFailure) in Int(header.pages) }
    }

    /// How large the upright image will be. Reads the header only.
    /// - Throws: As ``decode(path:page:)``.
    public func size(path: String) throws(JobFailure) -> (width: Int, height: Int) {
        try withImage(try contents(of: path), page: 0) { _, header throws(JobFailure) in
            // From 5 on the picture lies on its side.
            let isTurned = (5...8).contains(header.orientation)
            let (width, height) = (Int(header.width), Int(header.height))
            return isTurned ? (height, width) : (width, height)
        }
    }

    private func contents(of path: String) throws(JobFailure) -> Data {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw JobFailure(.inputUnavailable, "the image cannot be read", retryable: true)
        }
        return data
    }

    /// Decodes on the calling thread.
    ///
    /// - Throws: `empty_file`, `unsupported_media_type`, `image_too_large` (from the header, before anything is
    ///   decoded) or `image_damaged`.
    ///
    /// - Parameter page: Which image of a TIFF file, from 0.
    public func decode(_ encoded: Data, page: Int = 0) throws(JobFailure) -> RGBImage {
        if MillraceImageKind(firstBytesOf: encoded) == MILLRACE_IMAGE_JPEG,
            let image = encoded.withUnsafeBytes({ PlainJPEG.decode($0, pixelsMax: pixelsMax) })
        {
            return image
        }
        return try withImage(encoded, page: page) { image, _ throws(JobFailure) in
            var (width, height, bands): (Int32, Int32, Int32) = (0, 0, 0)
            guard let decoded = millrace_image_decode(image, &width, &height, &bands) else { throw Self.damaged(MillraceImageKind(firstBytesOf: encoded)) }
            let count = Int(width) * Int(height)
            let storage = PixelStorage(owned: decoded, byteCount: count * Int(bands)) { millrace_pixels_free($0) }
            if bands == 4 { Compositing.layOnWhite(storage.buffer, pixelCount: count) }
            return RGBImage(width: Int(width), height: Int(height), storage: storage)
        }
    }

    private func withImage<Value>(
        _ encoded: Data, page: Int, _ body: (UnsafeMutableRawPointer, MillraceImageHeader) throws(JobFailure) -> Value
    ) throws(JobFailure) -> Value {
        guard !encoded.isEmpty else { throw JobFailure(.emptyFile, "the image is empty") }
        guard let kind = MillraceImageKind(firstBytesOf: encoded) else {
            throw JobFailure(
                .unsupportedMediaType, "the file is not a JPEG, PNG, WebP or TIFF image",
                hint: "convert the image to one of them; the file's name does not matter")
        }
        guard Self.start else {
            throw JobFailure(
                .modelUnavailable, "libvips (libvips.so.42) cannot be loaded", hint: "install it: apt-get install libvips42", retryable: true)
        }
        defer { millrace_vips_thread_done() }
        let result = encoded.withUnsafeBytes { bytes in
            Result { () throws(JobFailure) in try withImage(bytes, kind, page: page, body) }
        }
        return try result.get()
    }

    private func withImage<Value>(
        _ bytes: UnsafeRawBufferPointer, _ kind: MillraceImageKind, page: Int,
        _ body: (UnsafeMutableRawPointer, MillraceImageHeader) throws(JobFailure) -> Value
    ) throws(JobFailure) -> Value {
        guard let address = bytes.baseAddress else { throw JobFailure(.emptyFile, "the image is empty") }
        var header = MillraceImageHeader()
        guard let image = millrace_image_open(kind, address, bytes.count, Int32(clamping: page), &header) else { throw Self.damaged(kind) }
        defer { millrace_image_close(image) }
        let (pixels, overflow) = Int64(header.width).multipliedReportingOverflow(by: Int64(header.height))
        guard header.width > 0, header.height > 0 else { throw Self.damaged(kind) }
        guard !overflow, pixels <= pixelsMax else {
            throw JobFailure(
                .imageTooLarge,
                "the image has \(header.width) x \(header.height) pixels, more than the \(pixelsMax) allowed",
                hint: "make it smaller; the model sees far fewer pixels")
        }
        return try body(image, header)
    }

    private static func damaged(_ kind: MillraceImageKind?) -> JobFailure {
        var message = [CChar](repeating: 0, count: 256)
        millrace_vips_take_error(&message, message.count)
        let reason = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            .split(separator: "\n").first.map(String.init)
        return JobFailure(
            .imageDamaged, "the \(kind.map { $0.name + " " } ?? "")image is damaged" + (reason.map { ": \($0)" } ?? ""),
            hint: "was the file transferred completely?")
    }
}

extension MillraceImageKind {
    /// What the file's signature says; `nil` when it is none of these.
    init?(firstBytesOf data: Data) {
        if data.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = MILLRACE_IMAGE_JPEG
        } else if data.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = MILLRACE_IMAGE_PNG
        } else if data.starts(with: Array("RIFF".utf8)), data.dropFirst(8).starts(with: Array("WEBP".utf8)) {
            self = MILLRACE_IMAGE_WEBP
        } else if data.starts(with: [0x49, 0x49, 0x2A, 0x00]) || data.starts(with: [0x4D, 0x4D, 0x00, 0x2A]) {
            self = MILLRACE_IMAGE_TIFF
        } else {
            return nil
        }
    }

    var name: String {
        switch self {
        case MILLRACE_IMAGE_JPEG: "JPEG"
        case MILLRACE_IMAGE_PNG: "PNG"
        case MILLRACE_IMAGE_TIFF: "TIFF"
        default: "WebP"
        }
    }
}
