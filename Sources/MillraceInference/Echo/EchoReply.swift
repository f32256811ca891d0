import MillraceCore

/// What the echo model answers: the input as it came, or the names, types and sizes of the files.
enum EchoReply {
    /// - Parameter stamp: when the runner got the job, in nanoseconds since 1970; `nil`: the result does not say.
    static func make(of request: HandlerRequest, stamp: Int64?) -> HandlerReply {
        let plain = request.files.isEmpty ? request.inputText ?? RawJSON(.null) : RawJSON(.array(request.files.map(entry)))
        guard let stamp else { return HandlerReply(jsonText: plain, outputs: []) }
        return HandlerReply(jsonText: RawJSON(trusting: #"{"input":\#(plain.text),"startedAtNanoseconds":\#(stamp)}"#), outputs: [])
    }

    private static func entry(_ file: HandlerRequest.File) -> JSONValue {
        ["name": .string(file.filename ?? file.name), "mediaType": .string(file.mediaType), "bytes": .integer(file.bytes)]
    }
}
