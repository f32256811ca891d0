import AsyncHTTPClient
import Foundation
import Logging
import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOCore
import NIOHTTP1
import ServiceLifecycle

@testable import MillraceGateway

/// A gateway on real sockets over the in-memory store.
struct Harness: Sendable {
    let gateway: Gateway
    let store: InMemoryStore
    let queue: JobQueue
    let blobs: InMemoryBlobs
    let metrics: PrometheusMetrics
    let joined: JoinedFleet
    let surroundings: Surroundings
    let socket: String
    let address: String
    let group: ServiceGroup

    struct Answer: Sendable {
        var status: Int
        var headers: HTTPHeaders
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
        func json<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value { try MillraceJSON.decode(type, from: Data(body)) }
        var problem: ProblemDetails? { try? json() }
    }

    /// Sends a request over TCP.
    func send(
        _ method: HTTPMethod = .GET, _ path: String, _ headers: HTTPHeaders = [:], _ body: [UInt8]? = nil
    ) async throws -> Answer {
        try await Self.send(method, "\(address)\(path)", headers, body)
    }

    /// Sends a message to the worker socket.
    func tell(_ path: String, _ message: some Encodable) async throws -> Answer {
        let host = socket.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        return try await Self.send(
            .POST, "http+unix://\(host)\(path)", ["content-type": "application/json"], Array(try MillraceJSON.encode(message)))
    }

    static func send(_ method: HTTPMethod, _ url: String, _ headers: HTTPHeaders, _ body: [UInt8]?) async throws -> Answer {
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers = headers
        request.body = body.map { .bytes(ByteBuffer(bytes: $0)) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
        let bytes = try await response.body.collect(upTo: 64 << 20)
        return Answer(status: Int(response.status.code), headers: response.headers, body: Array(bytes.readableBytesView))
    }

    /// Submits JSON.
    func submit(_ json: String = #"{"input":{"text":"good"}}"#, to endpoint: String = "text", _ headers: HTTPHeaders = [:]) async throws -> Answer {
        var headers = headers
        headers.add(name: "content-type", value: "application/json")
        return try await send(.POST, "/v1/endpoints/\(endpoint)/jobs", headers, Array(json.utf8))
    }

    /// Registers a worker and leases, straight at the store.
    func lease(_ endpoint: String = "text", jobsMax: Int = 10) async throws -> [Job] {
        let worker = WorkerRecord.fixture(endpoint: endpoint, in: surroundings)
        try await queue.register(worker)
        return try await queue.lease(
            LeaseDemand(worker: worker.id, endpoint: endpoint, variant: "a", jobsMax: jobsMax, duration: .seconds(15)))
    }

    /// Ends a leased job with an output of these bytes.
    func succeed(_ job: Job, _ bytes: [UInt8] = Array(#"{"label":"positive"}"#.utf8), mediaType: String = "application/json", filename: String? = nil) async throws {
        let blob = BlobID(surroundings.makeID(BlobKind.self).description)!
        try await queue.reserve(BlobRecord(id: blob, tenant: job.tenant, createdAt: surroundings.now(), writer: job.id))
        let digest = blobs.put(blob, bytes)
        let file = JobFile(name: "result", filename: filename, blob: blob, mediaType: mediaType, bytes: digest.bytes, sha256: digest.sha256)
        _ = try await queue.settle([AttemptReport(job: job.id, token: job.lease!.token, outcome: .succeeded(outputs: [file]))])
    }

    func fail(_ job: Job, _ failure: JobFailure) async throws {
        _ = try await queue.settle([AttemptReport(job: job.id, token: job.lease!.token, outcome: .failed(failure))])
    }
}

/// Endpoints for tests: `text` takes JSON and plain text, `pictures` images and PDFs.
enum TestEndpoints {
    static var text: EndpointConfiguration {
        var manifest = ModelManifest(name: "sentiment", runner: .onnx, accepts: ["application/json", "text/csv", "text/plain"])
        manifest.parameters = [
            "language": ParameterDeclaration(type: .string, default: "en"), "top": ParameterDeclaration(type: .integer, min: 1, max: 10),
        ]
        return EndpointConfiguration(name: "text", modelDirectory: "/m", manifest: manifest, modelVersion: "1")
    }

    static var pictures: EndpointConfiguration {
        let manifest = ModelManifest(name: "resnet", runner: .onnx, accepts: ["image/*", "application/pdf"])
        var endpoint = EndpointConfiguration(name: "pictures", modelDirectory: "/m", manifest: manifest, modelVersion: "1")
        endpoint.limits.bytesMax = 1_000_000
        endpoint.limits.filesMax = 2
        endpoint.limits.pixelsMax = 1_000_000
        return endpoint
    }
}

/// Runs a gateway for the time of a test.
func withGateway(
    surroundings: Surroundings = .system, keys: Bool = false, _ configure: (inout GatewayConfiguration) -> Void = { _ in },
    _ body: @escaping @Sendable (Harness) async throws -> Void
) async throws {
    let directory = try TemporaryDirectory("mr")
    let secret = try WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    var configuration = GatewayConfiguration(
        port: 0, workerSocketPath: directory.file("run/w.sock"), endpoints: [TestEndpoints.text, TestEndpoints.pictures],
        authentication: keys ? .required : .none, webhooks: WebhookSettings(secrets: [secret], allowedHosts: ["127.0.0.1"]),
        blobURLKey: Array(repeating: 7, count: 32), version: "1.2.3", effectiveSettings: ["secret": "(redacted)"])
    configure(&configuration)
    let socket = configuration.workerSocketPath
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let store = InMemoryStore(surroundings)
    let (queue, blobs, metrics) = (JobQueue(store, surroundings: surroundings), InMemoryBlobs(), PrometheusMetrics())
    let joined = JoinedFleet(device: { _ in .auto }, drainLimit: { _ in .seconds(60) }, registry: store, surroundings: surroundings)
    let gateway = try Gateway(
        configuration: configuration, queue: queue, blobs: blobs, joined: joined, prometheus: metrics, surroundings: surroundings, logger: logger)
    let scheme = configuration.tls == nil ? "http" : "https"
    let group = ServiceGroup(
        configuration: .init(services: [gateway.publicServer, gateway.workerServer, gateway.deliveries], logger: logger))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        tasks.addTask {
            let port = try await gateway.port()
            _ = try await gateway.workerServer.address()
            let harness = Harness(
                gateway: gateway, store: store, queue: queue, blobs: blobs, metrics: metrics, joined: joined, surroundings: surroundings,
                socket: socket, address: "\(scheme)://127.0.0.1:\(port)", group: group)
            do {
                try await body(harness)
            } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
        }
        try await tasks.waitForAll()
    }
    withExtendedLifetime(directory) {}
}

/// A form with its boundary.
struct Form {
    private(set) var bytes: [UInt8] = []
    static let headers: HTTPHeaders = ["content-type": "multipart/form-data; boundary=XyZ"]

    func field(_ name: String, _ value: String) -> Form {
        adding("Content-Disposition: form-data; name=\"\(name)\"\r\n\r\n", Array(value.utf8))
    }

    func file(_ name: String = "file", _ filename: String = "f.bin", _ content: [UInt8], type: String = "application/octet-stream") -> Form {
        adding("Content-Disposition: form-data; name=\"\(name)\"; filename=\"\(filename)\"\r\nContent-Type: \(type)\r\n\r\n", content)
    }

    var finished: [UInt8] { bytes + Array("--XyZ--\r\n".utf8) }

    private func adding(_ header: String, _ content: [UInt8]) -> Form {
        var copy = self
        copy.bytes += Array("--XyZ\r\n\(header)".utf8) + content + Array("\r\n".utf8)
        return copy
    }
}

/// Small files of real formats.
enum Samples {
    static func png(width: UInt32 = 2, height: UInt32 = 3) -> [UInt8] {
        [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8) + big(width) + big(height) + [8, 2, 0, 0, 0, 1, 2, 3, 4]
    }

    static func jpeg(width: UInt16 = 640, height: UInt16 = 480, padding: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = [0xFF, 0xD8]
        var left = padding
        while left > 0 {
            let length = min(left, 60_000)
            bytes += [0xFF, 0xE1, UInt8((length + 2) >> 8), UInt8((length + 2) & 255)] + Array(repeating: 0, count: length)
            left -= length
        }
        let size = [UInt8(height >> 8), UInt8(height & 255), UInt8(width >> 8), UInt8(width & 255)]
        return bytes + [0xFF, 0xC0, 0, 17, 8] + size + [3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 0xFF, 0xDA, 0, 0, 0xFF, 0xD9]
    }

    static let pdf = Array("%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n".utf8)

    private static func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) } }
}
