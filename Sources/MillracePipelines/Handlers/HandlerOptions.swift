import MillraceCore

/// What `options` of a model with `runner: process` may say.
///
/// | option | unless given | meaning |
/// | --- | --- | --- |
/// | `decode` | `none` | `image`: every file of a job is decoded by the worker, and the handler finds it in shared memory |
/// | `size` | 0 | over 0: the middle of each image, a square, resized (bicubic, antialiased) to so many pixels a side |
public struct HandlerOptions: Sendable, Equatable {
    public enum Decoding: String, Sendable, CaseIterable { case none, image }

    public var decode: Decoding
    /// Pixels a side; 0: the image as it is.
    public var size: Int

    /// - Throws: `invalid_manifest` with every fault.
    public init(_ manifest: ModelManifest) throws {
        var options = OptionReader(manifest)
        decode = options.choice("decode", default: .none)
        size = options.integer("size", in: 0...4096, default: 0)
        if size > 0, decode == .none { options.report("options.size is for decode: image") }
        try options.finish()
    }
}
