import MillraceCore

// The messages of the handler protocol, version 1, as types. The specification is
// `docs/architecture/03-handler-protocol.md`; each case's name is its `type`.

public enum HandlerProtocol {
    public static let version = 1
    /// Bytes of one frame's JSON; bigger things go through files.
    public static let frameBytesMax = 1 << 20
}
