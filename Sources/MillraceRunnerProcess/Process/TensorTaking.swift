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
    enum Outcome: Equatable {
        case taken([TakenTensor])
        /// There is no room beside the answers of its batch that came before; alone there would be.
        case crowded
        case refused(JobFailure)
    }

    private let bytesMax: Int
    private var bytesTaken = 0

    /// - Parameter bytesMax: of the answers of one batch together.
    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    mutating func take(_ tensors: [NamedTensor]) -> Outcome {
        var bytes = 0
        for named in tensors {
            guard named.tensor.isSound else { return .refused(broken("the tensor \"\(named.name.prefix(100))\" has bytes that do not fit its shape")) }
            guard named.tensor.bytes <= bytesMax - bytes else {
                return .refused(
                    JobFailure(
                        .tooLarge, "the tensors of the answer have more than \(bytesMax) bytes",
                        hint: "write them into files under the item's workdir"))
            }
            bytes += named.tensor.bytes
        }
        // Only what is kept counts: an answer that is refused takes no room from the others.
        guard bytes <= bytesMax - bytesTaken else { return .crowded }
        var taken: [TakenTensor] = []
        for (name, tensor) in tensors.map({ ($0.name, $0.tensor) }) {
            // Tensors of one answer mostly share a segment.
            let segment = taken.first { $0.tensor.path == tensor.path }?.segment ?? SharedSegment.open(path: tensor.path)
            guard let segment, tensor.offset + tensor.bytes <= segment.byteCount else {
                return .refused(broken("the memory of the tensor \"\(name.prefix(100))\" is not there, not sealed, or too short"))
            }
            taken.append(TakenTensor(name: name, tensor: tensor, segment: segment))
        }
        bytesTaken += bytes
        return .taken(taken)
    }

    /// Retryable: its handler may just have died.
    private func broken(_ what: String) -> JobFailure {
        JobFailure(.handlerProtocol, what, hint: "The model's handler needs a fix.", retryable: true)
    }
}

extension HandlerWorkMessage.Failure {
    init(_ failure: JobFailure, batch: Int64, item: ItemID) {
        self.init(batch: batch, item: item, code: failure.code, message: failure.message, hint: failure.hint, retryable: failure.retryable)
    }
}
