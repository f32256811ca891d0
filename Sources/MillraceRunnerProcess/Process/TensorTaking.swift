import MillraceCore
import MillraceInference
import MillraceWire

/// A tensor of an answer whose memory is open here, so that it outlives its handler.
struct TakenTensor: Equatable, Sendable {
    var name: String
    var tensor: HandlerTensor
    var segment: SharedSegment

    static func == (a: TakenTensor, b: TakenTensor) -> Bool { a.name == b.name && a.tensor == b.tensor && a.segment === b.segment }
}

/// Opens the tensors that the answers of one batch name, and bounds how much memory they keep.
struct TensorTaking {
    private var bytesLeft = HandlerProtocol.tensorBytesMax

    mutating func take(_ tensors: [NamedTensor]) -> Result<[TakenTensor], JobFailure> {
        var taken: [TakenTensor] = []
        for (name, tensor) in tensors.map({ ($0.name, $0.tensor) }) {
            guard tensor.isSound else { return .failure(refused("the tensor \"\(name.prefix(100))\" has bytes that do not fit its shape")) }
            bytesLeft -= tensor.bytes
            guard bytesLeft >= 0 else {
                return .failure(
                    JobFailure(
                        .tooLarge, "the tensors of a batch's answers have more than \(HandlerProtocol.tensorBytesMax) bytes",
                        hint: "write them into files under the item's workdir"))
            }
            // Tensors of one answer mostly share a segment.
            let segment = taken.first { $0.tensor.path == tensor.path }?.segment ?? SharedSegment.open(path: tensor.path)
            guard let segment, tensor.offset + tensor.bytes <= segment.byteCount else {
                return .failure(refused("the memory of the tensor \"\(name.prefix(100))\" is not there, not sealed, or too short"))
            }
            taken.append(TakenTensor(name: name, tensor: tensor, segment: segment))
        }
        return .success(taken)
    }

    /// Retryable: its handler may just have died.
    private func refused(_ what: String) -> JobFailure {
        JobFailure(.handlerProtocol, what, hint: "The model's handler needs a fix.", retryable: true)
    }
}

extension HandlerWorkMessage.Failure {
    init(_ failure: JobFailure, batch: Int64, item: ItemID) {
        self.init(batch: batch, item: item, code: failure.code, message: failure.message, hint: failure.hint, retryable: failure.retryable)
    }
}
