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
        let lock = try data.lock()
        #expect(throws: MillraceError.self) { try data.lock() }
        withExtendedLifetime(lock) {}
    }

    @Test func `workers do not get the server's secrets`() {
        let environment = ["PATH": "/bin", "MILLRACE_API_KEY": "k", "MILLRACE_WEBHOOK_SECRET": "s", "AWS_SECRET_ACCESS_KEY": "a", "AWS_SESSION_TOKEN": "t"]
        #expect(WorkerEnvironment.make(from: environment) == ["PATH": "/bin"])
    }
}
