import Foundation
import MillraceCore
import MillraceInference
import MillraceWire

/// Fits a batch to what a handler takes at once: its `batchMax`, and the size of a frame.
enum HandlerBatching {
    /// A frame's limit less the message around the items.
    static let frameBytesMax = HandlerProtocol.frameBytesMax - 128

    static func first(of items: [RunnerWorkMessage.Item], itemsMax: Int) -> [RunnerWorkMessage.Item] {
        var bytes = 0
        return Array(items.prefix(max(1, itemsMax)).prefix { item in
            bytes += item.frameBytes
            return bytes <= frameBytesMax
        })
    }

    static func tooLarge(_ item: RunnerWorkMessage.Item) -> JobFailure {
        JobFailure(
            .tooLarge, "the input has \(item.frameBytes) bytes as JSON, more than the \(frameBytesMax) that a handler takes inline",
            hint: "send it as a file")
    }
}

extension RunnerWorkMessage.Item {
    init(_ item: ItemID, _ request: HandlerRequest) {
        self.init(
            item: item, job: request.job, endpoint: request.endpoint, attempt: request.attempt, parameters: request.parameters,
            input: request.input,
            files: request.files.enumerated().map { index, file in
                File(
                    name: file.name, filename: file.filename, path: file.path, mediaType: file.mediaType, bytes: file.bytes,
                    image: request.images.isEmpty ? nil : HandlerTensor(request.images[index]))
            },
            workdir: request.workdir,
            checkpoint: request.checkpoint.map { Checkpoint(path: $0.path, position: $0.position) })
    }

    /// Bytes of this item in a frame, with the comma after it.
    var frameBytes: Int { ((try? MillraceJSON.encode(self).count) ?? Int.max / 2) + 1 }
}

extension HandlerTensor {
    init(_ tensor: SharedTensor) {
        self.init(
            datatype: tensor.element, shape: tensor.shape, path: tensor.segment.path, offset: tensor.offset, bytes: tensor.byteCount)
    }
}
