import Logging
import MillraceCore
import MillraceInference
import MillracePipelines
import MillraceProcesses
import MillraceRunnerHTTP
import MillraceRunnerONNX
import MillraceRunnerProcess
import MillraceWire
import MillraceWorker

/// Chooses the runner and the pipeline of a model by its manifest.
struct EngineFactory: Sendable {
    let locations: RuntimeLocations
    /// Threads a model may use; 0: one for each core.
    let threads: Int
    /// This process's environment; handlers and model servers get only what is their business.
    let environment: [String: String]
    /// The worker's folder, which goes with it; the handler's socket lies there when its path is short enough.
    let scratchFolder: String
    let logger: Logger

    func make(_ endpoint: EndpointConfiguration) throws -> Worker.Engine {
        switch endpoint.manifest.runner {
        case .onnx: try makeONNX(endpoint)
        case .process: try makeProcess(endpoint)
        case .http: try makeHTTP(endpoint)
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
        var configuration = ProcessRunnerConfiguration(
            command: endpoint.manifest.command ?? [], modelDirectory: endpoint.modelDirectory, python: locations.python,
            shimDirectory: locations.shim, environment: try programEnvironment(endpoint),
            temporaryDirectory: scratchFolder.utf8.count <= 70 ? scratchFolder : "/tmp")
        let options = try HandlerOptions(endpoint.manifest)
        guard options.decode == .image else {
            return Worker.Engine(runner: ProcessModelRunner(configuration, logger: logger), pipeline: HandlerPipeline())
        }
        configuration.requires = [.sharedMemory]
        return Worker.Engine(
            runner: ProcessModelRunner(configuration, logger: logger), pipeline: DecodedImagesPipeline(size: options.size))
    }

    private func makeHTTP(_ endpoint: EndpointConfiguration) throws -> Worker.Engine {
        guard let server = endpoint.manifest.server else {
            throw MillraceError(.invalidManifest, "the model says nothing of its server", hint: "give model.yaml a \"server\"")
        }
        let dialect: ServerDialect =
            switch server.dialect {
            case .invocations: .invocations
            case .openInference: .openInference(model: server.model ?? "", version: server.version)
            }
        let place: HTTPRunnerConfiguration.Place =
            if let url = server.url {
                .running(url: url)
            } else {
                .started(
                    .init(
                        command: (endpoint.manifest.command ?? []).map { $0.replacing("{python}", with: locations.python) },
                        environment: try programEnvironment(endpoint).merging(["PYTHONUNBUFFERED": "1"]) { $1 },
                        folder: endpoint.modelDirectory))
            }
        var configuration = HTTPRunnerConfiguration(place, speaking: dialect, itemsMax: endpoint.batching.itemsMax)
        configuration.startMax = server.startMax
        configuration.answerBytesMax = server.bytesMax
        return Worker.Engine(runner: HTTPModelRunner(configuration, logger: logger), pipeline: HandlerPipeline())
    }

    /// What a program that runs a model finds in its environment.
    private func programEnvironment(_ endpoint: EndpointConfiguration) throws -> [String: String] {
        if endpoint.device == .gpu, ModelDevice.gpuCount == 0 {
            throw MillraceError(
                .modelUnavailable, "\(endpoint.name) asks for device: gpu, and this machine has none",
                hint: "start the container with its GPUs (docker run --gpus all), or set device: auto")
        }
        var variables = ChildCommand.cleanEnvironment(from: environment)
        variables["MILLRACE_MODEL_DIR"] = endpoint.modelDirectory
        variables["MILLRACE_PAGES_MAX"] = String(endpoint.limits.pagesMax)
        variables["MILLRACE_PIXELS_MAX"] = String(endpoint.limits.pixelsMax)
        variables["MILLRACE_DEVICE"] = endpoint.device.rawValue
        variables["MILLRACE_FASHION_MNIST"] = environment["MILLRACE_FASHION_MNIST"]
        if threads > 0 { variables["MILLRACE_THREADS"] = String(threads) }
        // Byte code beside the script would change the model's folder.
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
        return variables
    }
}
