import MillraceCore
import Synchronization

/// The pipeline of handler processes and model servers: the job is one item, and what they answer is the job's output.
public struct HandlerPipeline: InferencePipeline {
    public init() {}

    /// The outputs that a reply stands for, the primary one first.
    public static func outputs(of reply: HandlerReply) -> [PipelineOutput] {
        let files = reply.outputs.map {
            PipelineOutput(name: $0.name, mediaType: $0.mediaType, content: .file(path: $0.path))
        }
        guard let json = reply.jsonText else { return files }
        let document = PipelineOutput(name: "result.json", mediaType: "application/json", content: .bytes(Array(json.text.utf8)))
        return [document] + files
    }

    /// The handler does what there is to do.
    public var decodes: Bool { false }

    public func open(_ job: PipelineJob) async throws -> any PipelineTask {
        HandlerTask(request: job.request)
    }
}

private final class HandlerTask: PipelineTask {
    private let state: Mutex<(request: HandlerRequest?, outputs: [PipelineOutput])>
    let itemsTotal: Int? = 1
    let unit = "jobs"

    init(request: HandlerRequest) {
        state = Mutex((request, []))
    }

    func next() async throws -> InferenceItem.Payload? {
        state.withLock { state in
            defer { state.request = nil }
            return state.request.map { .request($0) }
        }
    }

    func accept(_ outcome: ItemOutcome, ofItem index: Int) async throws {
        switch outcome {
        case .reply(let reply):
            let outputs = HandlerPipeline.outputs(of: reply)
            state.withLock { $0.outputs = outputs }
        case .failed(let failure): throw failure
        case .cancelled: throw CancellationError()
        case .tensors: preconditionFailure("a handler process answers with replies")
        }
    }

    func finish() async throws -> [PipelineOutput] {
        state.withLock { $0.outputs }
    }
}
