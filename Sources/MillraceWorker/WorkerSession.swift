import Foundation
import Logging
import MillraceCore
import MillraceEventLoops
import MillraceInference
import MillraceWire
import ServiceLifecycle

/// The time between a worker's registration and its end: four loops (lease, heartbeat, batches, settlement) and a task per running job.
struct WorkerSession: Sendable {
    let registration: RegisterRequest
    let configuration: EndpointConfiguration
    let heartbeat: Duration
    let engine: Worker.Engine
    let gateway: GatewayConnection
    let transfer: BlobTransfer
    let scratchFolder: String
    let readyAt: Timestamp
    /// How this worker started.
    let start: ColdStart.Marks
    let surroundings: Surroundings
    let logger: Logger
    let held: HeldJobs
    let batcher: ItemBatcher
    let settler: Settler
    let checkpoints: CheckpointWriter
    /// Before all code of this process that decodes; a handler process has its own, and an echo has none.
    let risk: RiskGate?
    let decoding = Gate(limit: ProcessInfo.processInfo.activeProcessorCount)
    let executor = InferenceExecutor()
    /// Where the loops run that talk to the gateway.
    let control: EventLoopExecutor
    let shutdown = ShutdownFlag()
    let requests = RequestCount()
    let stages: StageClock

    /// How long an idle worker looks for its gateway before it ends itself.
    let patienceIdle: Duration
    /// A worker that holds work looks longer: its work is worth it.
    static let patienceBusy: Duration = .seconds(900)

    init(
        registration: RegisterRequest, welcome: RegisterResponse, engine: Worker.Engine, gateway: GatewayConnection,
        transfer: BlobTransfer, patienceIdle: Duration, control: EventLoopExecutor, scratchFolder: String, start: ColdStart.Marks, marks: (any RiskMarks)?,
        surroundings: Surroundings, logger: Logger
    ) {
        self.registration = registration
        configuration = welcome.configuration
        heartbeat = .milliseconds(Int64(welcome.heartbeatSeconds * 1000))
        self.engine = engine
        self.gateway = gateway
        self.transfer = transfer
        self.patienceIdle = patienceIdle
        self.control = control
        self.scratchFolder = scratchFolder
        readyAt = start.readyAt
        self.start = start
        self.surroundings = surroundings
        self.logger = logger
        let (held, stages) = (HeldJobs(), StageClock())
        let risk = engine.pipeline.decodes ? RiskGate(marks) : nil
        self.risk = risk
        self.held = held
        self.stages = stages
        let itemsMax = configuration.batching.itemsMax
        settler = Settler(worker: registration.worker, held: held, logger: logger) {
            guard held.unsettledCount > itemsMax, case let time = stages.times.gathering, time > .zero else { return }
            try? await surroundings.sleep(time)
        } send: {
            try await gateway.call("/v1/worker/settle", $0, patience: Self.patienceBusy)
        }
        let checkpoints = CheckpointWriter(worker: registration.worker, gateway: gateway, transfer: transfer, held: held)
        self.checkpoints = checkpoints
        batcher = ItemBatcher(
            runner: engine.runner,
            observer: JobObserver(held: held, logger: logger) { try await checkpoints.store(fileAt: $0, position: $1, of: $2) },
            policy: configuration.batching, surroundings: surroundings,
            // Only a model of this process can take it along.
            risk: configuration.manifest.runner == .onnx ? risk : nil
        ) { stages.note(.run, $1.seconds / Double(max(1, $0))) }
    }

    /// Where batches run: what decodes keeps a core busy, a handler's checkpoints are copied and synced, an echo does neither.
    private var batching: (any TaskExecutor)? {
        if engine.pipeline.decodes { return executor }
        return configuration.manifest.runner == .echo ? control : nil
    }

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: batching) { await batcher.run() }
            group.addTask(executorPreference: control) { await settler.run() }
            group.addTask(executorPreference: control) { try await heartbeatLoop() }
            group.addTask(executorPreference: control) {
                await withGracefulShutdownHandler {
                    await leaseUntilStopped()
                } onGracefulShutdown: {
                    shutdown.raise()
                }
                await drain()
            }
            // The lease loop is the only one that ends by itself, and when it does everything is done; a loop that throws ends all.
            try await group.waitForOneThat { held.isEmpty && shutdown.isRaised }
            group.cancelAll()
        }
    }
}

extension ThrowingTaskGroup where ChildTaskResult == Void, Failure == any Error {
    /// Waits until a task has ended after which `done` holds; tasks that end before that are only noted.
    fileprivate mutating func waitForOneThat(_ done: () -> Bool) async throws {
        while try await next() != nil, !done() {}
    }
}
