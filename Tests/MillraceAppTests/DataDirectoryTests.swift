import Foundation
import MillraceCore
import Testing

@testable import MillraceApp

@Suite struct DataDirectoryTests {
    private let data: DataDirectory

    init() throws {
        data = try DataDirectory(
            FileManager.default.temporaryDirectory.appendingPathComponent("millrace-data-\(UInt64.random(in: 0...UInt64.max))").path)
    }

    @Test func `a secret is made once, for its owner alone`() throws {
        defer { try? FileManager.default.removeItem(atPath: data.path) }
        #expect(try data.secret("word") { "first" } == "first")
        #expect(try data.secret("word") { "second" } == "first")
        let attributes = try FileManager.default.attributesOfItem(atPath: data.path + "/word")
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(!FileManager.default.fileExists(atPath: data.path + "/word.new"))
    }

    @Test func `a secret that is there but cannot be read is not replaced`() throws {
        defer { try? FileManager.default.removeItem(atPath: data.path) }
        try FileManager.default.createDirectory(atPath: data.path + "/word", withIntermediateDirectories: false)
        #expect(throws: MillraceError.self) { try data.secret("word") { "new" } }
    }

    @Test func `a write survives what an earlier one left behind`() throws {
        defer { try? FileManager.default.removeItem(atPath: data.path) }
        try "half".write(toFile: data.path + "/word.new", atomically: false, encoding: .utf8)
        try data.write("whole", to: "word")
        #expect(try String(contentsOfFile: data.path + "/word", encoding: .utf8) == "whole")
    }

    @Test func `a data directory has one server at a time`() throws {
        defer { try? FileManager.default.removeItem(atPath: data.path) }
        let lock = try data.lockForServer()
        let error = #expect(throws: MillraceError.self) { try data.lockForServer() }
        #expect(error?.message.hasPrefix("another Millrace server uses") == true)
        withExtendedLifetime(lock) {}
    }

    @Test func `a data directory has one agent beside its server, and whoever comes second hears who has it`() throws {
        defer { try? FileManager.default.removeItem(atPath: data.path) }
        let locks = [try data.lockForServer(), try data.lockForAgent(), try data.holdLife(of: "joined:m:1")]
        let agent = #expect(throws: MillraceError.self) { try data.lockForAgent() }
        #expect(agent?.message.hasPrefix("another agent (millrace worker join) uses") == true && agent?.hint?.contains("--port") == false)
        let worker = #expect(throws: MillraceError.self) { try data.holdLife(of: "joined:m:1") }
        #expect(worker?.message.hasPrefix("another worker is joined:m:1") == true)
        withExtendedLifetime(locks) {}
    }

    @Test func `a server and an agent on one data directory leave each other's workers alone`() throws {
        defer { try? FileManager.default.removeItem(atPath: data.path) }
        for instance in ["local:1", "local:2", "joined:m:1", "by-hand"] {
            try FileManager.default.createDirectory(atPath: data.scratch(of: instance), withIntermediateDirectories: true)
            try "".write(toFile: data.atRisk(of: instance), atomically: true, encoding: .utf8)
        }
        func left() throws -> Set<String> { Set(try FileManager.default.contentsOfDirectory(atPath: data.path + "/scratch")) }
        data.removeScratch(except: ["local:1"])
        #expect(try left() == ["local-1", "local-1.at-risk", "joined-m-1", "joined-m-1.at-risk"])
        data.removeScratchOfDeadJoined()
        #expect(try left() == ["local-1", "local-1.at-risk"])
    }

    @Test func `workers do not get the server's secrets`() {
        let environment = ["PATH": "/bin", "MILLRACE_API_KEY": "k", "MILLRACE_WEBHOOK_SECRET": "s", "AWS_SECRET_ACCESS_KEY": "a", "AWS_SESSION_TOKEN": "t"]
        #expect(WorkerEnvironment.make(from: environment) == ["PATH": "/bin"])
    }
}
