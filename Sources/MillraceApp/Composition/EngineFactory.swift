import Logging
import MillraceCore
import MillraceInference
import MillracePipelines
import MillraceRunnerONNX
import MillraceRunnerProcess
import MillraceWire
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
        case .process: try makeProcess(endpoint)
        case .echo: Worker.Engine(runner: EchoRunner(surroundings: .system), pipeline: HandlerPipeline())
        }
    }

    private func makeONNX(_ endpoint: EndpointConfiguration) throws -> Worker.Engine {
        let registry = PipelineRegistry.standard(pdf: .process(locations.rasterizer))
        let pipeline = try registry.pipeline(for: endpoint.manifest, directory: endpoint.modelDirectory)
        let files = ModelFiles(manifest: endpoint.manifest, directory: endpoint.modelDirectory)
        let runner = try pipeline.makeRunner { role in
            ONNXModel(
                path: try files.path(of: role), libraryCandidates: locations.onnxRuntimeCandidates,
                options: .init(threads: threads, device: endpoint.device) { [logger] reason in
                    logger.warning("the model computes on the CPU", metadata: ["role": "\(role)", "reason": "\(reason)"])
                })
        }
        return Worker.Engine(runner: runner, pipeline: pipeline)
    }

    private func makeProcess(_ endpoint: EndpointConfiguration) throws -> Worker.Engine {
        if endpoint.device == .gpu, ModelDevice.gpuCount == 0 {
            throw MillraceError(
                .modelUnavailable, "\(endpoint.name) asks for device: gpu, and this machine has none",
                hint: "start the container with its GPUs (docker run --gpus all), or set device: auto")
        }
        var handlerEnvironment = ProcessRunnerConfiguration.cleanEnvironment(from: environment)
        handlerEnvironment["MILLRACE_PAGES_MAX"] = String(endpoint.limits.pagesMax)
        handlerEnvironment["MILLRACE_PIXELS_MAX"] = String(endpoint.limits.pixelsMax)
        handlerEnvironment["MILLRACE_DEVICE"] = endpoint.device.rawValue
        handlerEnvironment["MILLRACE_FASHION_MNIST"] = environment["MILLRACE_FASHION_MNIST"]
        if threads > 0 { handlerEnvironment["MILLRACE_THREADS"] = String(threads) }
        // Byte code beside the script would change the model's folder.
        handlerEnvironment["PYTHONDONTWRITEBYTECODE"] = "1"
        var configuration = ProcessRunnerConfiguration(
            command: endpoint.manifest.command ?? [], modelDirectory: endpoint.modelDirectory, python: locations.python,
            shimDirectory: locations.shim, environment: handlerEnvironment,
            temporaryDirectory: scratchFolder.utf8.count <= 70 ? scratchFolder : "/tmp")
        let options = try HandlerOptions(endpoint.manifest)
        guard options.decode == .image else {
            return Worker.Engine(runner: ProcessModelRunner(configuration, logger: logger), pipeline: HandlerPipeline())
        }
        configuration.requires = [.sharedMemory]
        return Worker.Engine(
            runner: ProcessModelRunner(configuration, logger: logger), pipeline: DecodedImagesPipeline(size: options.size))
    }
}
