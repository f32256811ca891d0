import Foundation
import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOHTTP1
import Testing

@testable import MillraceGateway

@Suite("Workers with a key")
struct WorkerKeyTests {
    private let worker: WorkerID = Surroundings.system.makeID()

    private func key(_ gateway: Harness, _ endpoints: [String]? = nil) async throws -> (id: KeyID, headers: HTTPHeaders) {
        let made = try await gateway.gateway.keys.create(name: "gpu", kind: .worker, endpoints: endpoints)
        #expect(made.key.description.hasPrefix("mrw_"))
        return (made.record.id, ["authorization": "Bearer \(made.key)", "content-type": "application/json"])
    }

    private func post(_ gateway: Harness, _ path: String, _ headers: HTTPHeaders, _ message: some Encodable) async throws -> Harness.Answer {
        try await gateway.send(.POST, path, headers, Array(try MillraceJSON.encode(message)))
    }

    private func registration(_ endpoint: String = "pictures", instance: String = "joined:m:1") -> RegisterRequest {
        var request = RegisterRequest.fixture(worker, endpoint: endpoint)
        request.instance = instance
        return request
    }

    @Test("A worker's key opens workers' doors and no others, a client's key all but those, whether clients need one or not", arguments: [true, false])
    func doors(asksClients: Bool) async throws {
        try await withGateway(keys: asksClients) { gateway in
            let (_, mine) = try await key(gateway)
            let client: HTTPHeaders = ["x-api-key": try await gateway.gateway.keys.create(name: "c").key.description]
            let calls = ["register", "lease", "heartbeat", "settle", "blobs", "deregister", "machine"].map { "/v1/worker/\($0)" }
            for headers in [client, [:], ["authorization": "Bearer mrw_x_y"]] as [HTTPHeaders] {
                for path in calls { #expect(try await gateway.send(.POST, path, headers, Array("{}".utf8)).status == 401, "\(path)") }
                #expect(try await gateway.send(.GET, "/v1/worker/models/1", headers).status == 401)
                #expect(try await gateway.send(.GET, "/v1/worker/models/1/files/2", headers).status == 401)
            }
            for path in calls { #expect(try await gateway.send(.POST, path, mine, Array("{}".utf8)).status == 400, "\(path)") }
            for path in ["/v1/jobs", "/v1/workers", "/health", "/metrics"] where asksClients {
                #expect(try await gateway.send(.GET, path, mine).status == 401, "\(path)")
            }
        }
    }

    @Test("A worker reads inputs and writes outputs by address alone, for as long as it has the lease")
    func blobs() async throws {
        try await withGateway { gateway in
            let (_, mine) = try await key(gateway)
            #expect(try await post(gateway, "/v1/worker/register", mine, registration()).status == 200)
            let id = try await gateway.send(.POST, "/v1/endpoints/pictures/jobs", ["content-type": "image/png"], Samples.png()).json(JobResource.self).id
            let lease = LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 0, held: [])
            let job = try #require(try await post(gateway, "/v1/worker/lease", mine, lease).json(LeaseResponse.self).jobs.first)
            let access = job.files[0].access
            #expect(access.path == nil)
            let url = try #require(access.url)
            #expect(try await gateway.send(.GET, url).body == Samples.png())
            #expect(try await gateway.send(.GET, url.replacing("signature=", with: "signature=00")).status == 403)
            #expect(try await gateway.send(.PUT, url, [:], [1]).status == 403, "what is granted for reading is not for writing")

            let reserved = try await post(gateway, "/v1/worker/blobs", mine, BlobReservationRequest(worker: worker, job: id, token: job.token))
            let place = try reserved.json(BlobReservationResponse.self)
            let target = try #require(place.access.url)
            #expect(try await gateway.send(.GET, target).status == 403)
            let bytes = Array(#"{"ok":true}"#.utf8)
            let stored = try await gateway.send(.PUT, target, [:], bytes)
            #expect(stored.status == 201 && gateway.blobs[place.blob] == bytes)
            let digest = try #require(stored.headers.first(name: "etag")).filter { $0 != "\"" }
            #expect(digest == sha256(bytes), "the worker sees what came")
            let file = JobFile(name: "result", blob: place.blob, mediaType: "application/json", bytes: Int64(bytes.count), sha256: digest)
            let settled = try await post(
                gateway, "/v1/worker/settle", mine,
                SettleRequest(worker: worker, items: [.init(job: id, token: job.token, outcome: .succeeded(outputs: [file], inline: []))]))
            #expect(try settled.json(SettleResponse.self).verdicts == [.held])
            #expect(try await gateway.send(.GET, "/v1/jobs/\(id)/result").body == bytes)
            #expect(try await gateway.send(.PUT, target, [:], Array("other".utf8)).status == 403, "nothing is written after the end")
            #expect(gateway.blobs[place.blob] == bytes)
        }
    }

    @Test("An output that is longer than is allowed is not taken")
    func limit() async throws {
        try await withGateway { $0.outputBytesMax = 10 } _: { gateway in
            let (_, mine) = try await key(gateway)
            _ = try await post(gateway, "/v1/worker/register", mine, registration("text"))
            let id = try await gateway.submit().json(JobResource.self).id
            let job = try await post(gateway, "/v1/worker/lease", mine, LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 0, held: [])).json(LeaseResponse.self).jobs[0]
            let place = try await post(gateway, "/v1/worker/blobs", mine, BlobReservationRequest(worker: worker, job: id, token: job.token)).json(BlobReservationResponse.self)
            let url = try #require(place.access.url)
            #expect(try await gateway.send(.PUT, url, [:], Array(repeating: 1, count: 11)).status == 413)
            #expect(try await gateway.send(.PUT, url, [:], Array(repeating: 1, count: 10)).status == 201)
        }
    }

    @Test("A key that is revoked is out at once, and with it the addresses that it was granted")
    func revoked() async throws {
        try await withGateway { gateway in
            let (id, mine) = try await key(gateway)
            _ = try await post(gateway, "/v1/worker/register", mine, registration())
            _ = try await gateway.send(.POST, "/v1/endpoints/pictures/jobs", ["content-type": "image/png"], Samples.png())
            let job = try await post(gateway, "/v1/worker/lease", mine, LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 0, held: [])).json(LeaseResponse.self).jobs[0]
            // By another process: at the store.
            #expect(try await gateway.store.revoke(id))
            #expect(try await post(gateway, "/v1/worker/heartbeat", mine, HeartbeatRequest(worker: worker, readyAt: nil, items: [])).status == 401)
            #expect(try await gateway.send(.GET, try #require(job.files[0].access.url)).status == 403)
        }
    }

    @Test("A key for some endpoints serves no others, nor acts for workers of those or of the server's machine")
    func limited() async throws {
        try await withGateway { gateway in
            let (_, mine) = try await key(gateway, ["text"])
            #expect(try await post(gateway, "/v1/worker/register", mine, registration("pictures")).problem?.code == "forbidden")
            #expect(try await post(gateway, "/v1/worker/register", mine, registration("text", instance: "local:1")).problem?.code == "forbidden")
            for (endpoint, instance) in [("pictures", "joined:m:1"), ("text", "local:1")] {
                let other: WorkerID = gateway.surroundings.makeID()
                var request = RegisterRequest.fixture(other, endpoint: endpoint)
                request.instance = instance
                #expect(try await gateway.tell("/v1/worker/register", request).status == 200)
                #expect(try await post(gateway, "/v1/worker/lease", mine, LeaseRequest(worker: other, jobsMax: 1, waitSeconds: 0, held: [])).status == 403)
                #expect(try await post(gateway, "/v1/worker/heartbeat", mine, HeartbeatRequest(worker: other, readyAt: nil, items: [])).status == 403)
                #expect(try await post(gateway, "/v1/worker/deregister", mine, DeregisterRequest(worker: other)).status == 403)
                request.endpoint = "text"
                request.instance = "joined:m:2"
                #expect(try await post(gateway, "/v1/worker/register", mine, request).status == 403, "another's worker is not taken over")
            }
            #expect(try await post(gateway, "/v1/worker/register", mine, registration("text")).status == 200)
            #expect(try await post(gateway, "/v1/worker/lease", mine, LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 0, held: [])).status == 200)
        }
    }

    @Test("A model's files are listed and given in parts, without hidden ones and whatever lies beside the folder")
    func models() async throws {
        let folder = try TemporaryDirectory("mr-model")
        let model = folder.file("model")
        for name in ["/sub", "/.git", "/__pycache__"] {
            try FileManager.default.createDirectory(atPath: model + name, withIntermediateDirectories: true)
        }
        for (name, text) in [("/model.yaml", "name: m"), ("/sub/w.bin", "weights"), ("/.git/x", "h"), ("/__pycache__/y.pyc", "b"), ("/../secret", "s")] {
            try text.write(toFile: model + name, atomically: true, encoding: .utf8)
        }
        let (version, hidden) = (String(repeating: "a", count: 64), String(repeating: "b", count: 64))
        try await withGateway {
            $0.endpoints = [TestEndpoints.text, TestEndpoints.pictures]
            $0.endpoints[0].modelDirectory = model
            $0.endpoints[0].modelVersion = version
            $0.endpoints[1].modelVersion = hidden
        } _: { gateway in
            let (_, mine) = try await key(gateway, ["text"])
            func get(_ path: String, _ more: HTTPHeaders = [:]) async throws -> Harness.Answer {
                var headers = mine
                headers.add(contentsOf: more)
                return try await gateway.send(.GET, "/v1/worker/models/\(path)", headers)
            }
            let listing = try await get(version).json(ModelListing.self)
            #expect(listing.files.map(\.path) == ["model.yaml", "sub/w.bin"] && listing.files[1].bytes == 7 && !listing.files[1].isExecutable)
            let digest = sha256(Array("weights".utf8))
            #expect(listing.files[1].sha256 == digest)
            #expect(try await get("\(version)/files/\(digest)").text == "weights")
            let part = try await get("\(version)/files/\(digest)", ["range": "bytes=3-"])
            #expect(part.status == 206 && part.text == "ghts")
            for path in [hidden, "", "1", "\(version)/files/\(sha256(Array("s".utf8)))", "\(version)/files/..%2F..%2Fsecret", "..%2Fsecret"] {
                #expect(try await get(path).status == 404, "\(path)")
            }
            // What changes is read again.
            try "heavier".write(toFile: model + "/sub/w.bin", atomically: true, encoding: .utf8)
            #expect(try await get(version).json(ModelListing.self).files[1].sha256 == sha256(Array("heavier".utf8)))
        }
        withExtendedLifetime(folder) {}
    }

    @Test("An agent hears at once what ought to run, and a machine that stops gets nothing more")
    func machine() async throws {
        try await withGateway { gateway in
            let (_, mine) = try await key(gateway)
            await #expect(throws: FleetProblem(.capacity, "no machine has joined")) {
                try await gateway.joined.reconcile(FleetTarget(endpoint: "text", variant: "a", desired: 1))
            }
            var report = MachineReport(
                machine: "m", run: "r", slots: .init(cpu: 1, gpus: []), endpoints: nil, isDraining: false, workers: [], ended: [], waitSeconds: 0)
            #expect(try await post(gateway, "/v1/worker/machine", mine, report).json(MachineOrders.self) == MachineOrders(workers: []))
            var misspelt = report
            misspelt.endpoints = ["text", "txt"]
            let notes = try await post(gateway, "/v1/worker/machine", mine, misspelt).json(MachineOrders.self).notes
            #expect(notes?.count == 1 && notes?[0].contains("did you mean \"text\"?") == true)
            report.waitSeconds = 60
            let patient = report
            async let waiting = post(gateway, "/v1/worker/machine", mine, patient)
            try await gateway.joined.reconcile(FleetTarget(endpoint: "text", variant: "a", desired: 1))
            let order = try #require(try await waiting.json(MachineOrders.self).workers.first)
            #expect(order.endpoint == "text" && order.instance.hasPrefix("joined:m:") && order.drainSeconds == 60)
            #expect(try await post(gateway, "/v1/worker/register", mine, registration("pictures", instance: order.instance)).status == 403, "ordered for another")
            #expect(try await post(gateway, "/v1/worker/register", mine, registration("text", instance: order.instance)).status == 200)
            report.workers = [.init(instance: order.instance, gpu: nil, isStopping: false)]
            report.isDraining = true
            #expect(try await post(gateway, "/v1/worker/machine", mine, report).json(MachineOrders.self).workers.isEmpty)
            #expect(try await gateway.store.workers().map(\.draining) == [true], "its workers take no more")
            #expect(try await gateway.tell("/v1/worker/machine", report).status == 403, "workers of the server's machine have no agent")
            report.isDraining = false
            report.workers = []
            report.run = "another"
            #expect(try await post(gateway, "/v1/worker/machine", mine, report).status == 409, "the first is heard")
            report.machine = "../m"
            #expect(try await post(gateway, "/v1/worker/machine", mine, report).status == 400)
        }
    }

    @Test("What a machine holds that fell silent goes back uncounted")
    func outOfReach() async throws {
        try await withGateway { gateway in
            _ = try await gateway.tell("/v1/worker/register", registration("pictures"))
            let id = try await gateway.send(.POST, "/v1/endpoints/pictures/jobs", ["content-type": "image/png"], Samples.png()).json(JobResource.self).id
            _ = try await gateway.tell("/v1/worker/lease", LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 0, held: []))
            // From now on, whatever time all this has taken: the store counts by the real clock.
            let clock = ManualClock(at: gateway.surroundings.now())
            let fleet = JoinedFleet(
                device: { _ in .auto }, drainLimit: { _ in .seconds(60) }, registry: gateway.store, surroundings: clock.surroundings)
            fleet.expect(try await gateway.store.workers())
            for _ in 0..<8 {
                _ = try await fleet.instances()
                clock.advance(by: .seconds(4))
            }
            #expect(try await fleet.instances().isEmpty)
            let job = try #require(try await gateway.store.job(id))
            #expect(job.state == .queued && job.crashes == 0 && job.attempt == 0)
        }
    }
}
