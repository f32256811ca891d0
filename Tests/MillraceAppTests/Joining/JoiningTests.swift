import Foundation
import MillraceCloud
import MillraceCore
import MillraceGateway
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import Testing

@testable import MillraceApp

@Suite("Joining")
struct JoiningTests {
    @Test("A key is not sent unencrypted through a network unless somebody says so",
        arguments: ["http://example.com", "http://10.0.0.5:8080", "http://127.0.0.1.example.com", "http://localhost.example.com"])
    func plain(url: String) throws {
        let error = #expect(throws: MillraceError.self) { try GatewayLocation(url) }
        #expect(error?.message.contains("not encrypted") == true && error?.hint?.contains("--insecure") == true)
        #expect(try GatewayLocation(url, insecure: true).url == url)
    }

    @Test("Encrypted addresses and those of this machine are taken, what is no address is not")
    func addresses() throws {
        for url in ["https://example.com", "https://10.0.0.5:8443/millrace", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080"] {
            #expect(try GatewayLocation(url + "/").url == url)
        }
        for url in ["", "example.com", "ftp://example.com", "https://", "https://u:p@example.com", "https://example.com?x=1", "https://example.com/#a"] {
            #expect(throws: MillraceError.self, "\(url)") { try GatewayLocation(url) }
        }
        #expect(throws: MillraceError.self) { try GatewayLocation("https://example.com", caFile: "/no/such/file") }
    }

    @Test("A password in an address is refused and not repeated", arguments: ["https://u:hush@example.com", "https://u:hush@exa mple.com", "u:hu@sh@example.com"])
    func password(url: String) throws {
        let error = try #require(throws: MillraceError.self) { try GatewayLocation(url) }
        #expect(!"\(error)".contains("hu") && "\(error)".contains("@exa"))
    }

    @Test("The key comes from its file, which wins, from the command or from the environment, and must be a worker's")
    func keys() throws {
        let folder = try TemporaryDirectory("mr-join")
        let (file, key) = (folder.file("key"), APIKey(.worker, in: .system).description)
        try (key + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try WorkerKeySource(key: "x", keyFile: file, environment: ["MILLRACE_WORKER_KEY": "y"]).read() == key)
        #expect(try WorkerKeySource(key: "x", keyFile: nil, environment: ["MILLRACE_WORKER_KEY": "y"]) == .text("x"))
        #expect(try WorkerKeySource(key: nil, keyFile: nil, environment: ["MILLRACE_WORKER_KEY": key]).read() == key)
        #expect(throws: MillraceError.self) { try WorkerKeySource(key: nil, keyFile: nil, environment: [:]) }
        let wrong = APIKey(in: .system).description
        let error = #expect(throws: MillraceError.self) { try WorkerKeySource.text(wrong).read() }
        #expect(error?.description.contains(wrong) == false, "an error shows no key")
        #expect(throws: MillraceError.self) { try WorkerKeySource.file(folder.file("none")).read() }
        withExtendedLifetime(folder) {}
    }

    @Test("What can never work ends a join with a hint, and what may pass does not")
    func refusals() throws {
        let url = "https://example.com"
        func reason(_ error: any Error, _ hasJoined: Bool = false) -> MillraceError? { JoinRefusal.reason(for: error, at: url, hasJoined: hasJoined) }
        for hasJoined in [false, true] {
            #expect(reason(MillraceError(.unauthorized, "no"), hasJoined)?.code == .unauthorized)
            #expect(reason(MillraceError(.unavailable, "later"), hasJoined) == nil)
        }
        let missing = MillraceError(.notFound, "no route")
        #expect(reason(missing)?.hint?.contains("/v1") == true && reason(missing, true) == nil)
        let folder = try TemporaryDirectory("mr-join")
        try "junk".write(toFile: folder.file("ca.pem"), atomically: true, encoding: .utf8)
        let error = #expect(throws: MillraceError.self) { try GatewayLocation(url, caFile: folder.file("ca.pem")) }
        #expect(error?.message.contains("holds no certificate") == true)
        withExtendedLifetime(folder) {}
    }

    @Test("A gateway that is away is warned of now and then, and a name that another agent keeps ends the join")
    func trouble() throws {
        var trouble = Trouble()
        let (start, away) = (Timestamp(milliseconds: 0), MillraceError(.unavailable, "away"))
        let warned = try (0..<600).filter { try trouble.shallWarn(of: away, at: start + .seconds($0)) }
        #expect(warned == [0, 300])
        let taken = MillraceError(.stateConflict, "taken")
        _ = try trouble.shallWarn(of: taken, at: start + .seconds(700))
        _ = try trouble.shallWarn(of: taken, at: start + .seconds(745))
        #expect(throws: MillraceError.self) { try trouble.shallWarn(of: taken, at: start + .seconds(746)) }
    }

    @Test("An agent that starts leaves the files of workers that live, and removes those of the dead")
    func scratch() throws {
        let folder = try TemporaryDirectory("mr-join")
        let data = try DataDirectory(folder.file("data"))
        let names = ["joined:m:1", "joined:m:12", "joined:m:2"]
        for name in names {
            try FileManager.default.createDirectory(atPath: data.scratch(of: name), withIntermediateDirectories: true)
            try "".write(toFile: data.atRisk(of: name), atomically: true, encoding: .utf8)
        }
        _ = try data.holdLife(of: names[1])
        let life = try data.holdLife(of: names[0])
        data.removeScratchOfDeadJoined()
        let left = Set(try FileManager.default.contentsOfDirectory(atPath: data.path + "/scratch"))
        #expect(left == ["joined-m-1", "joined-m-1.at-risk", "joined-m-1.life"])
        withExtendedLifetime((folder, life)) {}
    }

    @Test("A bell that rang before somebody waits is heard all the same, and nobody else goes on before it rings", .timeLimit(.minutes(1)))
    func bell() async {
        let bell = Bell()
        let known = bell.rings
        bell.ring()
        await bell.wait(after: known)
        let later = bell.rings
        #expect(later == known + 1)
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    await bell.wait(after: later)
                    return bell.rings
                }
            }
            group.addTask {
                bell.ring()
                return later + 1
            }
            for await rings in group { #expect(rings == later + 1) }
        }
        let task = Task { await bell.wait(after: bell.rings) }
        task.cancel()
        await task.value
        #expect(bell.rings == later + 1, "the wait ended with its task")
    }

    @Test("Joined machines have workers first, those that find no room run beside the server, and an endpoint may choose")
    func fleets() async throws {
        let local = FakeCloudFleet(prefix: "local:", room: 10, surroundings: .system)
        let joined = FakeCloudFleet(prefix: "joined:m:", room: 2, surroundings: .system)
        let fleet = CombinedFleet(local: local, joined: joined, choices: ["here": .local, "there": .joined])
        func counts(_ endpoint: String) async throws -> [Int] {
            [try await joined.instances().count { $0.endpoint == endpoint }, try await local.instances().count { $0.endpoint == endpoint }]
        }
        try await fleet.reconcile(FleetTarget(endpoint: "e", variant: "a", desired: 3))
        #expect(try await counts("e") == [2, 1])
        try await fleet.reconcile(FleetTarget(endpoint: "e", variant: "a", desired: 3))
        #expect(try await counts("e") == [2, 1])
        #expect(try await fleet.instances().count == 3)
        try await fleet.reconcile(FleetTarget(endpoint: "e", variant: "a", desired: 2, retire: ["joined:m:1"]))
        #expect(try await counts("e") == [1, 1])
        try await fleet.reconcile(FleetTarget(endpoint: "here", variant: "a", desired: 1))
        #expect(try await counts("here") == [0, 1])
        await #expect(throws: FleetProblem.self) { try await fleet.reconcile(FleetTarget(endpoint: "there", variant: "a", desired: 3)) }
        #expect(try await counts("there") == [1, 0])
        // From the time before the choice; full machines are no reason to keep it.
        try await local.reconcile(FleetTarget(endpoint: "there", variant: "a", desired: 1))
        let old = try #require(try await local.instances().last { $0.endpoint == "there" })
        await #expect(throws: FleetProblem.self) {
            try await fleet.reconcile(FleetTarget(endpoint: "there", variant: "a", desired: 3, retire: [old.id]))
        }
        #expect(try await counts("there") == [1, 0])
    }
}
