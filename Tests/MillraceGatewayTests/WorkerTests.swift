import AsyncHTTPClient
import Foundation
import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import MillraceGateway

@Suite("The worker's protocol")
struct WorkerTests {
    let worker: WorkerID = Surroundings.system.makeID()

    /// Reserves a blob and writes it, as a worker does.
    private func output(_ gateway: Harness, _ job: LeasedJob, name: String = "result", bytes: [UInt8] = Array("{}".utf8)) async throws -> JobFile {
        let reserved = try await gateway.tell("/v1/worker/blobs", BlobReservationRequest(worker: worker, job: job.id, token: job.token))
        #expect(reserved.status == 201)
        let blob = try reserved.json(BlobReservationResponse.self)
        #expect(blob.access.path == "/blobs/\(blob.blob)")
        let digest = gateway.blobs.put(blob.blob, bytes)
        return JobFile(name: name, blob: blob.blob, mediaType: "application/json", bytes: digest.bytes, sha256: digest.sha256)
    }

    private func lease(_ gateway: Harness, held: [LeaseToken] = []) async throws -> LeaseResponse {
        let answer = try await gateway.tell("/v1/worker/lease", LeaseRequest(worker: worker, jobsMax: 4, waitSeconds: 0, held: held))
        return try answer.json(LeaseResponse.self)
    }

    @Test("A worker registers, leases, reports, stores an output and says goodbye")
    func roundTrip() async throws {
        try await withGateway { gateway in
            let registered = try await gateway.tell("/v1/worker/register", RegisterRequest.fixture(worker, endpoint: "pictures"))
            let configuration = try registered.json(RegisterResponse.self)
            #expect(configuration.leaseSeconds == 15 && configuration.heartbeatSeconds == 5 && configuration.configuration == TestEndpoints.pictures)

            let id = try await gateway.send(.POST, "/v1/endpoints/pictures/jobs", ["content-type": "image/png"], Samples.png()).json(JobResource.self).id
            let leased = try await lease(gateway)
            let job = try #require(leased.jobs.first)
            #expect(!leased.draining && job.id == id && job.attempt == 1 && job.files[0].file.mediaType == "image/png")
            #expect(job.files[0].access == BlobAccessGrant(path: "/blobs/\(job.files[0].file.blob)"))

            let beat = try await gateway.tell(
                "/v1/worker/heartbeat",
                HeartbeatRequest(
                    worker: worker, readyAt: Timestamp(milliseconds: 1_767_225_601_000),
                    items: [.init(job: id, token: job.token, progress: JobProgress(done: 1), logs: [LogLine(level: .info, message: "hi")])]))
            #expect(try beat.json(HeartbeatResponse.self) == HeartbeatResponse(verdicts: [.held], draining: false))
            let seen = try #require(try await gateway.send(.GET, "/v1/workers").json(WorkerList.self).workers.first)
            #expect(seen.state == "busy" && seen.jobsHeld == 1 && seen.id == worker)

            let file = try await output(gateway, job)
            let settled = try await gateway.tell(
                "/v1/worker/settle",
                SettleRequest(worker: worker, items: [.init(job: id, token: job.token, outcome: .succeeded(outputs: [file], inline: []), coldStartSeconds: 1.5)]))
            #expect(try settled.json(SettleResponse.self).verdicts == [.held])
            let done = try await gateway.send(.GET, "/v1/jobs/\(id)").json(JobResource.self)
            #expect(done.state == .succeeded && done.timing.coldStartSeconds == 1.5)
            #expect(try await gateway.send(.GET, "/v1/jobs/\(id)/result").text == "{}")

            // Said again, when the answer got lost: the lease is gone, and nothing changes.
            let again = try await gateway.tell("/v1/worker/settle", SettleRequest(worker: worker, items: [.init(job: id, token: job.token, outcome: .cancelled)]))
            #expect(try again.json(SettleResponse.self).verdicts == [.lost])
            #expect(try await gateway.tell("/v1/worker/deregister", DeregisterRequest(worker: worker)).status == 204)
            #expect(try await gateway.tell("/v1/worker/lease", LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 0, held: [])).problem?.code == "worker_unknown")
        }
    }

    @Test("What ended is reported with the request for more, which then waits only a moment; said again it changes nothing")
    func reportsOnTheWay() async throws {
        try await withGateway { gateway in
            _ = try await gateway.tell("/v1/worker/register", RegisterRequest.fixture(worker))
            let ids = [try await gateway.submit().json(JobResource.self).id, try await gateway.submit().json(JobResource.self).id]
            let jobs = try await lease(gateway).jobs
            #expect(jobs.map(\.id) == ids)
            let reports: [SettleRequest.Item] = [
                .init(job: ids[0], token: jobs[0].token, outcome: .succeeded(outputs: [], inline: [])),
                .init(job: ids[1], token: jobs[0].token, outcome: .cancelled),
            ]
            let request = LeaseRequest(worker: worker, jobsMax: 4, waitSeconds: 60, held: jobs.map(\.token), request: 1, reports: reports)
            let answer = try await gateway.tell("/v1/worker/lease", request).json(LeaseResponse.self)
            #expect(answer == LeaseResponse(jobs: [], draining: false, verdicts: [.held, .lost]))
            #expect(try await gateway.queue.job(ids[0])?.state == .succeeded)
            #expect(try await gateway.queue.job(ids[1])?.lease?.token == jobs[1].token)
            let again = try await gateway.tell("/v1/worker/lease", request).json(LeaseResponse.self)
            #expect(again.verdicts == [.lost, .lost])

            try await gateway.queue.drain([worker])
            let last = LeaseRequest(
                worker: worker, jobsMax: 4, waitSeconds: 60, held: [jobs[1].token], request: 2,
                reports: [.init(job: ids[1], token: jobs[1].token, outcome: .succeeded(outputs: [], inline: []))])
            let heard = try await gateway.tell("/v1/worker/lease", last).json(LeaseResponse.self)
            #expect(heard.jobs.isEmpty && heard.verdicts == [.held])
            #expect(try await lease(gateway) == LeaseResponse(jobs: [], draining: true), "asked again")
        }
    }

    @Test("A cancellation reaches the worker with its heartbeat, and a draining worker gets no more")
    func verdicts() async throws {
        try await withGateway { gateway in
            _ = try await gateway.tell("/v1/worker/register", RegisterRequest.fixture(worker))
            let id = try await gateway.submit().json(JobResource.self).id
            let job = try await lease(gateway).jobs[0]
            _ = try await gateway.send(.POST, "/v1/jobs/\(id)/cancel")
            try await gateway.queue.drain([worker])
            let items = [HeartbeatRequest.Item(job: id, token: job.token), .init(job: id, token: gateway.surroundings.makeID())]
            let beat = try await gateway.tell("/v1/worker/heartbeat", HeartbeatRequest(worker: worker, readyAt: nil, items: items))
            #expect(try beat.json(HeartbeatResponse.self) == HeartbeatResponse(verdicts: [.cancel, .lost], draining: true))
            #expect(try await lease(gateway, held: [job.token]) == LeaseResponse(jobs: [], draining: true))
        }
    }

    @Test("A success whose output is not there is no success: the job is tried again")
    func missingOutputs() async throws {
        try await withGateway { gateway in
            _ = try await gateway.tell("/v1/worker/register", RegisterRequest.fixture(worker))
            func settle(_ change: (inout JobFile) async throws -> Void) async throws -> Job {
                _ = try await gateway.submit()
                let job = try await lease(gateway).jobs[0]
                var file = try await output(gateway, job)
                try await change(&file)
                _ = try await gateway.tell("/v1/worker/settle", SettleRequest(worker: worker, items: [.init(job: job.id, token: job.token, outcome: .succeeded(outputs: [file], inline: []))]))
                let after = try #require(try await gateway.store.job(job.id))
                _ = try await gateway.queue.cancel(job.id)
                return after
            }
            let strange: BlobID = gateway.surroundings.makeID()
            #expect(try await settle { $0.blob = strange }.failure?.code == "blob_unknown")
            #expect(try await settle { $0.bytes += 1 }.failure?.message.contains("bytes in the blob store") == true)
            let gone = try await settle { try await gateway.blobs.delete($0.blob) }
            #expect(gone.state == .queued && gone.failure?.message.contains("no bytes") == true)
            let named = try await settle { $0.name = "../etc" }
            #expect(named.state == .failed && named.failure?.code == "handler_protocol")
        }
    }

    @Test("A blob is reserved only under a lease that is held")
    func reservation() async throws {
        try await withGateway { gateway in
            _ = try await gateway.tell("/v1/worker/register", RegisterRequest.fixture(worker))
            let id = try await gateway.submit().json(JobResource.self).id
            let stale = BlobReservationRequest(worker: worker, job: id, token: gateway.surroundings.makeID())
            #expect(try await gateway.tell("/v1/worker/blobs", stale).problem?.code == "lease_lost")
        }
    }

    @Test("A lease waits for work and gets it when it comes")
    func longPoll() async throws {
        try await withGateway { gateway in
            _ = try await gateway.tell("/v1/worker/register", RegisterRequest.fixture(worker))
            async let leased = gateway.tell("/v1/worker/lease", LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 20, held: []))
            let id = try await gateway.submit().json(JobResource.self).id
            #expect(try await leased.json(LeaseResponse.self).jobs.map(\.id) == [id])
        }
    }

    @Test("A worker that hangs up while it waits gets no job")
    func hangup() async throws {
        let sleepers = Sleepers()
        try await withGateway(surroundings: sleepers.surroundings) { gateway in
            _ = try await gateway.tell("/v1/worker/register", RegisterRequest.fixture(worker))
            let body = try MillraceJSON.string(LeaseRequest(worker: worker, jobsMax: 1, waitSeconds: 60, held: []))
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(unixDomainSocketPath: gateway.socket) { $0.eventLoop.makeSucceededFuture($0) }
            let request = "POST /v1/worker/lease HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
            try await channel.writeAndFlush(ByteBuffer(string: request))
            try await eventually { sleepers.count(of: .seconds(1)) == 1 }
            try await channel.close()
            try await eventually { sleepers.count(of: .seconds(1)) == 0 }
            let id = try await gateway.submit().json(JobResource.self).id
            #expect(try await gateway.send(.GET, "/v1/jobs/\(id)").json(JobResource.self).state == .queued)
        }
    }

    @Test("The worker's doors are open on the socket alone, which is private to its user")
    func socket() async throws {
        try await withGateway { gateway in
            let overTCP = try await gateway.send(.POST, "/v1/worker/lease", [:], [])
            #expect(overTCP.problem?.code == "unauthorized" && overTCP.problem?.hint?.contains("--worker") == true)
            func mode(_ path: String) throws -> Int? {
                try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            }
            #expect(try mode(gateway.socket) == 0o600)
            #expect(try mode(URL(fileURLWithPath: gateway.socket).deletingLastPathComponent().path) == 0o700)
            let error = await #expect(throws: MillraceError.self) { try await WorkerSocket.prepare(gateway.socket) }
            #expect(error?.message.contains("listens at") == true)
        }
        try await withTemporaryDirectory { directory in
            // What a killed gateway left behind is taken away.
            try Data().write(to: URL(fileURLWithPath: directory.file("w.sock")))
            try await WorkerSocket.prepare(directory.file("w.sock"))
            #expect(!FileManager.default.fileExists(atPath: directory.file("w.sock")))
            await #expect(throws: MillraceError.self) { try await WorkerSocket.prepare("/tmp/" + String(repeating: "x", count: 120)) }
        }
    }
}
