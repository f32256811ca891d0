/// A short result that is kept with its job instead of in the blob store: no file, no sync of its own.
public struct InlineOutput: Sendable, Codable, Equatable {
    /// Unique among the job's outputs.
    public var name: String
    public var mediaType: String
    public var text: String

    /// Longer results are blobs. UTF-8 bytes.
    public static let bytesMax = 4096

    public init(name: String, mediaType: String, text: String) {
        self.name = name
        self.mediaType = mediaType
        self.text = text
    }
}
