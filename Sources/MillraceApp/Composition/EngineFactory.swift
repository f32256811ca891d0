import Logging
import MillraceCore
import MillraceInference
import MillracePipelines
import MillraceRunnerONNX
import MillraceRunnerProcess
import MillraceWorker

/// Chooses the runner and the pipeline of a model by its manifest.
struct EngineFactory: Sendable {
    let locations: RuntimeLocations
    /// Threads a model may use; 0: one for each core.
    let threads: Int
    /// This process's environment; handlers get only what is their business.
    let environment: [String: String]
    /// The worker's folder, which goes with it; the handler's socket lies there when its path is short enough.
    let scratchFolder: String
    let logger: Logger

    func make(_ endpoint: EndpointConfiguration) throws -> Worker.Engine {
        switch endpoint.manifest.runner {
        case .onnx: try makeONNX(endpoint)
        case .process: makeProcess(endpoint)
        case .echo: Worker.Engine(runner: EchoRunner(surroundings: .system), pipeline: HandlerPipeline())
        }
    }

    private func makeONNX(_ endpoint: EndpointConfiguration) throws -> Worker.Engine {
        guard let model = endpoint.manifest.files["model"] else {
            throw MillraceError(.invalidManifest, "\(endpoint.manifest.name) names no files.model")
        }
        let runner = ONNXModelRunner(
            model: endpoint.modelDirectory + "/" + model, libraryCandidates: locations.onnxRuntimeCandidates,
            options: .init(threads: threads))
        return Worker.Engine(
            runner: runner, pipeline: try PipelineRegistry.standard.pipeline(for: endpoint.manifest, directory: endpoint.modelDirectory))
    }

    private func makeProcess(_ endpoint: EndpointConfiguration) -> Worker.Engine {
        var handlerEnvironment = ProcessRunnerConfiguration.cleanEnvironment(from: environment)
        handlerEnvironment["MILLRACE_PAGES_MAX"] = String(endpoint.limits.pagesMax)
        handlerEnvironment["MILLRACE_PIXELS_MAX"] = String(endpoint.limits.pixelsMax)
        handlerEnvironment["MILLRACE_FASHION_MNIST"] = environment["MILLRACE_FASHION_MNIST"]
        if threads > 0 { handlerEnvironment["MILLRACE_THREADS"] = String(threads) }
        // Byte code beside the script would change the model's folder.
        handlerEnvironment["PYTHONDONTWRITEBYTECODE"] = "1"
        let runner = ProcessModelRunner(
            ProcessRunnerConfiguration(
                command: endpoint.manifest.command ?? [], modelDirectory: endpoint.modelDirectory, python: locations.python,
                shimDirectory: locations.shim, environment: handlerEnvironment,
                temporaryDirectory: scratchFolder.utf8.count <= 70 ? scratchFolder : "/tmp"),
            logger: logger)
        return Worker.Engine(runner: runner, pipeline: HandlerPipeline())
    }
}
