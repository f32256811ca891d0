import Crypto
import Foundation
import Hummingbird
import Logging
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOCore
import NIOHTTP1
import ServiceLifecycle
import Synchronization
import Testing

@testable import MillraceGateway

/// A receiver of webhooks on a port of its own, that answers as it is told.
final class Receiver: Sendable {
    struct Message: Sendable {
        var path: String
        var headers: [String: String]
        var body: [UInt8]
    }
    private struct State {
        var messages: [Message] = []
        var answers: [(status: Int, headers: [String: String])]
    }
    let received = Signal(of: Message.self)
    private let state: Mutex<State>

    /// - Parameter answers: one after the other; afterwards 204.
    init(_ answers: [(status: Int, headers: [String: String])] = []) {
        state = Mutex(State(answers: answers))
    }

    var messages: [Message] { state.withLock { $0.messages } }

    /// Runs while `body` does, which is told the base URL. A path that begins with `/hang` gets no answer.
    func run(_ body: @escaping @Sendable (String) async throws -> Void) async throws {
        let router = Router()
        router.post("**") { request, _ -> Response in
            let bytes = try await request.body.collect(upTo: 1 << 20)
            var headers: [String: String] = [:]
            for field in request.headers { headers[field.name.canonicalName] = field.value }
            let message = Message(path: request.uri.path, headers: headers, body: Array(bytes.readableBytesView))
            self.state.withLock { $0.messages.append(message) }
            self.received.send(message)
            if message.path.hasPrefix("/hang") { try? await gracefulShutdown() }
            let answer = self.state.withLock { $0.answers.isEmpty ? (204, [:]) : $0.answers.removeFirst() }
            var fields = HTTPFields()
            for (name, value) in answer.1 { fields[.init(name)!] = value }
            return Response(status: .init(code: answer.0), headers: fields)
        }
        let port = Latch<Int>()
        var logger = Logger(label: "receiver")
        logger.logLevel = .critical
        let application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { port.open($0.localAddress?.port ?? 0) }, logger: logger)
        let group = ServiceGroup(configuration: .init(services: [application], logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            tasks.addTask {
                do { try await body("http://127.0.0.1:\(port.value())") } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
                await group.triggerGracefulShutdown()
            }
            try await tasks.waitForAll()
        }
    }
}

@Suite("Webhooks")
struct WebhookTests {
    /// The machine's surroundings with a wall clock that can be moved, so that a retry is due at once.
    final class Clock: Sendable {
        private let ahead = Mutex<Duration>(.zero)
        func advance(by duration: Duration) { ahead.withLock { $0 += duration } }
        var surroundings: Surroundings {
            var surroundings = Surroundings.system
            surroundings.now = { Surroundings.system.now() + self.ahead.withLock { $0 } }
            return surroundings
        }
    }

    private func submit(_ gateway: Harness, callback: String) async throws -> JobID {
        try await gateway.submit(#"{"input":1,"callback":"\#(callback)"}"#).json(JobResource.self).id
    }

    private func deliveries(_ gateway: Harness, _ id: JobID, _ condition: @escaping @Sendable (DeliveryResource) -> Bool) async throws -> DeliveryResource {
        try await eventually(gateway.store.changes, .job(id)) {
            try await gateway.send(.GET, "/v1/jobs/\(id)/deliveries").json(DeliveryList.self).deliveries.first.map(condition) ?? false
        }
        return try #require(try await gateway.send(.GET, "/v1/jobs/\(id)/deliveries").json(DeliveryList.self).deliveries.first)
    }

    @Test("A finished job's webhook is signed as Standard Webhooks has it, and says what the job's resource says")
    func signature() async throws {
        let receiver = Receiver()
        try await receiver.run { url in
            try await withGateway { gateway in
                let id = try await submit(gateway, callback: "\(url)/done?token=secret")
                try await gateway.succeed(try await gateway.lease()[0])
                let message = try await receiver.received.next()
                let delivery = try await deliveries(gateway, id) { $0.state == "delivered" }
                #expect(delivery.attempts.map(\.status) == [204] && delivery.dueAt == nil)
                // Verified with nothing of the sender's code: the key is the base 64 behind whsec_.
                let key = SymmetricKey(data: Data(base64Encoded: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")!)
                let id64 = try #require(message.headers["webhook-id"]), time = try #require(message.headers["webhook-timestamp"])
                let signed = Data("\(id64).\(time).".utf8) + Data(message.body)
                let expected = Data(HMAC<SHA256>.authenticationCode(for: signed, using: key)).base64EncodedString()
                #expect(message.headers["webhook-signature"] == "v1,\(expected)" && id64 == delivery.id.description)
                #expect(abs(try #require(Int64(time)) - gateway.surroundings.now().milliseconds / 1000) < 60)
                let body = try MillraceJSON.decode([String: JSONValue].self, from: Data(message.body))
                #expect(body["type"] == "job.succeeded" && body["data"]?["id"]?.stringValue == id.description)
                #expect(body["data"]?["state"] == "succeeded" && body["timestamp"] == body["data"]?["finishedAt"])
            }
        }
    }

    @Test("A webhook that fails is tried again with the same id and body, and with a new time and signature")
    func retry() async throws {
        let clock = Clock()
        let receiver = Receiver([(500, [:]), (429, ["retry-after": "60"]), (302, ["location": "http://127.0.0.1:1/"])])
        try await receiver.run { url in
            try await withGateway(surroundings: clock.surroundings) { gateway in
                let id = try await submit(gateway, callback: "\(url)/x")
                try await gateway.succeed(try await gateway.lease()[0])
                for tries in 1...3 {
                    let delivery = try await deliveries(gateway, id) { $0.attempts.count == tries && $0.state == "pending" }
                    if tries == 2 { #expect(try #require(delivery.dueAt).since(delivery.attempts[1].at) > .seconds(250)) }
                    clock.advance(by: .seconds(40 * 60))
                    gateway.queue.changes.publish([.delivery])
                }
                let delivery = try await deliveries(gateway, id) { $0.state == "delivered" }
                #expect(delivery.attempts.map(\.status) == [500, 429, 302, 204])
                let messages = receiver.messages
                #expect(Set(messages.map(\.body)).count == 1 && Set(messages.map { $0.headers["webhook-id"] }).count == 1)
                #expect(Set(messages.map { $0.headers["webhook-signature"] }).count == 4 && messages.allSatisfy { $0.path == "/x" })
            }
        }
    }

    @Test("A receiver that is gone (410) is not called again")
    func gone() async throws {
        let receiver = Receiver([(410, [:])])
        try await receiver.run { url in
            try await withGateway { gateway in
                let id = try await submit(gateway, callback: "\(url)/x")
                try await gateway.fail(try await gateway.lease()[0], JobFailure(.invalidInput, "no"))
                let delivery = try await deliveries(gateway, id) { $0.state == "failed" }
                #expect(delivery.event == "job.failed" && delivery.attempts.count == 1)
            }
        }
    }

    @Test("A receiver that does not answer holds up nobody else")
    func slow() async throws {
        let (slow, quick) = (Receiver(), Receiver())
        try await slow.run { slowURL in
            try await quick.run { quickURL in
                try await withGateway({ $0.webhooks.timeout = .seconds(2); $0.webhooks.allowedHosts = ["127.0.0.1", "localhost"] }) { gateway in
                    for _ in 0..<20 { _ = try await submit(gateway, callback: slowURL.replacing("127.0.0.1", with: "localhost") + "/hang") }
                    for _ in 0..<20 { _ = try await submit(gateway, callback: "\(quickURL)/x") }
                    for job in try await gateway.lease(jobsMax: 40) { try await gateway.succeed(job) }
                    for _ in 0..<20 { _ = try await quick.received.next() }
                    #expect(slow.messages.count <= 8)
                }
            }
        }
    }

    @Test("What came of a try decides what is next")
    func schedule() {
        let now = Timestamp(milliseconds: 0)
        func next(_ answer: DeliverySchedule.Answer, tries: Int = 0) -> Duration? {
            DeliverySchedule.verdict(on: answer, tries: tries, at: now, fraction: 0.5).next?.since(now)
        }
        #expect(next(.status(200, retryAfter: nil)) == nil && next(.status(410, retryAfter: nil)) == nil && next(.refused("x")) == nil)
        #expect(next(.failed("x")) == .seconds(5) && next(.status(503, retryAfter: .seconds(90))) == .seconds(90))
        #expect(next(.status(503, retryAfter: .seconds(1_000_000))) == .seconds(86_400))
        #expect(next(.status(301, retryAfter: nil), tries: 8) == .seconds(86_400) && next(.status(500, retryAfter: .seconds(9)), tries: 9) == nil)
        let waits = (0..<9).compactMap { next(.failed("x"), tries: $0) }
        #expect(waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400].map { .seconds($0) })
    }

    @Test(
        "Addresses that are not public are told from those that are",
        arguments: [
            ("127.0.0.1", false), ("10.1.2.3", false), ("172.16.0.1", false), ("172.32.0.1", true), ("192.168.1.1", false),
            ("169.254.169.254", false), ("100.64.0.1", false), ("0.0.0.0", false), ("224.0.0.1", false), ("255.255.255.255", false),
            ("198.18.0.1", false), ("192.0.2.1", false), ("8.8.8.8", true), ("1.1.1.1", true), ("::1", false), ("::", false), ("fe80::1", false),
            ("fc00::1", false), ("fd00:ec2::254", false), ("ff02::1", false), ("::ffff:127.0.0.1", false), ("::ffff:8.8.8.8", true),
            ("64:ff9b::a00:1", false), ("64:ff9b::808:808", true), ("2002:7f00:1::", false), ("2001:db8::1", false), ("2001::1", false),
            ("2606:4700::1111", true), ("::7f00:1", false), ("fec0::1", false),
        ])
    func addresses(text: String, isPublic: Bool) throws {
        #expect(try #require(NetworkAddress(text)).isPublic == isPublic)
    }

    @Test(
        "Callbacks that lead inside, or are no plain addresses, are refused",
        arguments: [
            "ftp://example.com/", "file:///etc/passwd", "/relative", "example.com", "http://", "http://user:pw@example.com/", "http://user@example.com", "http://example.com\\@127.0.0.1/",
            "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://[::1]/", "http://[::ffff:10.0.0.1]/",
            "http://localhost:8080/x", "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1:80/", "http://[fd00:ec2::254]/",
            "http://inside.example/", "http://both.example/", "http://exa mple.com/", "http://example.com/\u{e9}", "gopher://example.com",
            "http://nowhere.example/", "http://1.1.1.1:99999/", "http://1.1.1.1:0/", "http://1.1.1.1:65536/", "http://1.1.1.1:-1/", "http://1.1.1.1:+80/",
            "http://1.1.1.1:99999999999999999999999999999999/", "http://[2606:4700::1111]:70000/", "http://1.1.1.1:80:80/", "http://1.1.1.1%00.127.0.0.1/",
            "http://1.1.1.1%2f.example.com/", "http://1.1.1.1,2.2.2.2/", "http://[fe80::1%25eth0]/", "http://[2606:4700::1111]x/",
        ])
    func refused(url: String) async {
        let error = await #expect(throws: MillraceError.self) { try await Self.guarded.check(url) }
        #expect(error?.code == .callbackRefused)
    }

    @Test("Callbacks to public hosts, and to hosts that the operator allows, go to the address that was checked")
    func allowed() async throws {
        #expect(try await Self.guarded.target(of: "https://example.com/x").address.description == "93.184.216.34")
        #expect(try await Self.guarded.target(of: "http://a.internal:9000/").address.description == "10.0.0.9")
        #expect(try await Self.guarded.target(of: "http://hooks.local/").address.description == "10.0.0.8")
        #expect(try await Self.guarded.target(of: "http://settings.example/exactly").address.description == "10.0.0.7")
        await #expect(throws: MillraceError.self) { try await Self.guarded.check("http://settings.example/other") }
        // A name server that is out of order is no reason to refuse a job.
        try await Self.guarded.check("http://flaky.example/")
    }

    static let guarded = CallbackGuard(
        allowedHosts: ["hooks.local", "*.internal"], trusted: ["http://settings.example/exactly"],
        resolver: HostResolver { host in
            let known = [
                "example.com": ["93.184.216.34"], "inside.example": ["10.0.0.1"], "both.example": ["93.184.216.34", "127.0.0.1"],
                "a.internal": ["10.0.0.9"], "hooks.local": ["10.0.0.8"], "settings.example": ["10.0.0.7"],
            ]
            if let addresses = known[host.lowercased()] { return addresses.compactMap { NetworkAddress($0) } }
            if host == "flaky.example" { throw HostResolver.Failure.temporary("try again") }
            if host.hasSuffix(".example") { throw HostResolver.Failure.unknownHost }
            return try await HostResolver.system.addresses(host)
        })

    @Test("Retry-After is read as seconds or as a date")
    func retryAfter() {
        let now = Timestamp("2026-01-01T00:00:00Z")!
        #expect(WebhookSender.retryAfter(" 120 ", at: now) == .seconds(120))
        #expect(WebhookSender.retryAfter("Thu, 01 Jan 2026 00:02:00 GMT", at: now) == .seconds(120))
        #expect(WebhookSender.retryAfter("Thu, 01 Jan 2025 00:02:00 GMT", at: now) == .zero)
        #expect(WebhookSender.retryAfter("soon", at: now) == nil && WebhookSender.retryAfter("-1", at: now) == nil)
    }

    @Test("Secrets are read and written, and a wrong one is not shown")
    func secrets() throws {
        let secret = WebhookSecret(in: ManualClock().surroundings)
        #expect(try WebhookSecret(secret.text) == secret && secret.text.hasPrefix("whsec_"))
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!"] {
            let error = #expect(throws: MillraceError.self) { try WebhookSecret(bad) }
            #expect(bad.isEmpty || bad == "whsec_" || error?.message.contains(bad) == false)
        }
    }

    @Test("A host's surplus waits for its turn, and what waits too long is let go")
    func lanes() {
        let clock = ManualClock()
        func delivery(_ host: String) -> Delivery {
            let job = Job.fixture(in: clock.surroundings)
            return Delivery(id: clock.surroundings.makeID(), url: "http://\(host)/", event: "job.succeeded", snapshot: job, createdAt: clock.now, dueAt: clock.now)
        }
        var lanes = DeliveryLanes(totalMax: 5, perHostMax: 2)
        lanes.add((0..<4).map { _ in delivery("a") } + [delivery("b")], startBefore: clock.now + .seconds(10))
        let first = lanes.start(at: clock.now)
        #expect(first.map(\.url) == ["http://a/", "http://a/", "http://b/"] && lanes.room == 18)
        #expect(lanes.start(at: clock.now).isEmpty)
        lanes.ended(first[0])
        #expect(lanes.start(at: clock.now).count == 1)
        lanes.ended(first[1])
        #expect(lanes.start(at: clock.now + .seconds(10)).isEmpty && lanes.room == 20)
        lanes.add((0..<100).map { _ in delivery("a") }, startBefore: clock.now + .seconds(10))
        #expect(lanes.room == 4)
    }
}
