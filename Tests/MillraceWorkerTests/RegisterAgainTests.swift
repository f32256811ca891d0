import AsyncHTTPClient
import Logging
import MillraceCore
import MillraceEventLoops
import MillraceFakeServer
import MillraceInference
import MillraceTestSupport
import MillraceWire
import NIOCore
import Testing

@testable import MillraceWorker

@Suite("A worker that registers again", .timeLimit(.minutes(1)))
struct RegisterAgainTests {
    private let clock = ManualClock()

    private func session(_ registration: RegisterRequest, _ welcome: RegisterResponse, _ url: String, _ folder: String) -> WorkerSession {
        let logger = Logger(label: "test")
        let now = clock.now
        return WorkerSession(
            registration: registration, welcome: welcome,
            engine: .init(runner: EchoRunner(surroundings: clock.surroundings), pipeline: HandlerPipeline()),
            gateway: GatewayConnection(.url(url, key: "k"), client: .shared, surroundings: clock.surroundings, logger: logger),
            transfer: BlobTransfer(remote: RemoteBlobs(client: .shared, base: url, repetition: .hurried())), patienceIdle: .zero,
            control: EventLoopExecutor(HTTPClient.shared.eventLoopGroup.next()), scratchFolder: folder,
            start: ColdStart.Marks(startedAt: now, registeredAt: now, fetchedAt: now, loadedAt: now, readyAt: now), marks: nil,
            surroundings: clock.surroundings, logger: logger)
    }

    @Test("says what time it is by its clock, so that the gateway can tell when it was started")
    func sentAt() async throws {
        let folder = try TemporaryDirectory("mr-again")
        let manifest = ModelManifest(name: "e", runner: .echo)
        let welcome = RegisterResponse(
            configuration: EndpointConfiguration(name: "e", modelDirectory: "/m", manifest: manifest, modelVersion: ""), leaseSeconds: 15, heartbeatSeconds: 5)
        let registration = RegisterRequest(
            worker: clock.surroundings.makeID(), endpoint: "e", variant: "a", instance: "joined:m:1", host: "h", processID: 1, startedAt: clock.now,
            sentAt: clock.now + .milliseconds(20))
        let answer = try MillraceJSON.string(welcome)
        clock.advance(by: .seconds(3600))
        let sent: RegisterRequest = try await FakeServer.with({
            $0.path.hasSuffix("/register") ? .json(answer) : .problem(404, code: ErrorCode.workerUnknown.rawValue)
        }) { [clock] server in
            let session = session(registration, welcome, server.url, folder.path)
            return try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await session.heartbeatLoop() }
                try await clock.waitForSleepers(1)
                group.cancelAll()
                let request = try #require(server.requests.first { $0.path.hasSuffix("/register") })
                return try MillraceJSON.decode(RegisterRequest.self, bytes: request.body)
            }
        }
        #expect(sent.startedAt == registration.startedAt && sent.sentAt == clock.now)
        withExtendedLifetime(folder) {}
    }
}
