import MillraceCore
import MillraceInference

extension InlineOutput {
    /// The first outputs, as long as they are small and text. The primary output is the first of all, so none of the others
    /// may overtake one that is large.
    static func leading(_ outputs: [PipelineOutput]) -> [InlineOutput] {
        var (inline, bytesLeft): ([InlineOutput], Int) = ([], bytesMax)
        for output in outputs {
            guard let text = text(of: output, bytesMax: bytesLeft) else { break }
            inline.append(InlineOutput(name: output.name, mediaType: output.mediaType, text: text))
            bytesLeft -= text.utf8.count
        }
        return inline
    }

    private static func text(of output: PipelineOutput, bytesMax: Int) -> String? {
        guard case .bytes(let bytes) = output.content, bytes.count <= bytesMax,
            output.mediaType == "application/json" || output.mediaType.hasPrefix("text/")
        else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}
