import Foundation
import MillraceCore
import MillraceInference
import MillraceRunnerONNX
import Testing

/// Where the tests find ONNX Runtime: `MILLRACE_ONNXRUNTIME`, else the environment that `dev/setup` makes.
/// A test without the library fails with the message that says so.
let onnxRuntimeCandidates: [String] = {
    let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let given = ProcessInfo.processInfo.environment["MILLRACE_ONNXRUNTIME"].map { [$0] } ?? []
    return given + [repository.path + "/.venv/lib/python3*/site-packages/onnxruntime/capi"]
}()

struct SilentObserver: ItemObserver {
    func progress(_ progress: JobProgress, of item: ItemID) {}
    func log(_ line: LogLine, of item: ItemID?) {}
    func checkpoint(path: String, position: JSONValue, of item: ItemID) async throws {}
}

/// A loaded fixture model.
func runner(_ name: String) async throws -> TensorModelRunner {
    let path = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/\(name).onnx").path
    let runner = TensorModelRunner(ONNXModel(path: path, libraryCandidates: onnxRuntimeCandidates, options: .init(threads: 1)))
    try await runner.load()
    return runner
}

extension TensorModelRunner {
    func run(_ items: [[String: Tensor]]) async throws -> [ItemOutcome] {
        try await run(items.enumerated().map { InferenceItem(id: ItemID($0), payload: .tensors($1)) }, observer: SilentObserver())
    }
}

extension ItemOutcome {
    var tensors: [String: Tensor]? { if case .tensors(let tensors) = self { tensors } else { nil } }
    var failure: JobFailure? { if case .failed(let failure) = self { failure } else { nil } }
}
