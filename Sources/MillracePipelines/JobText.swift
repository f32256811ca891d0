import Foundation
import MillraceCore
import MillraceInference

extension HandlerRequest.File {
    /// What the client called it, else the form field's name.
    var displayName: String { filename ?? name }
}

extension JobFailure {
    /// The same failure with the file's name in front of the message.
    func about(_ file: HandlerRequest.File) -> JobFailure {
        about(file.displayName)
    }

    func about(_ subject: String) -> JobFailure {
        var copy = self
        copy.message = "\(subject): \(message)"
        return copy
    }
}

extension PipelineOutput {
    /// `result.json`
    static func json(_ value: JSONValue) throws -> PipelineOutput {
        PipelineOutput(
            name: "result.json", mediaType: "application/json", content: .bytes(Array(try MillraceJSON.encode(value))))
    }
}
