import Foundation
import MillraceCore
import Testing

@testable import MillraceApp

@Suite struct FirstStartTests {
    private let data: DataDirectory
    private let administration: KeyAdministration

    init() throws {
        data = try DataDirectory(
            FileManager.default.temporaryDirectory.appendingPathComponent("millrace-first-\(UInt64.random(in: 0...UInt64.max))").path)
        var settings = Settings()
        settings.dataDirectory = data.path
        administration = try KeyAdministration(settings: settings)
    }

    private func start(host: String = "127.0.0.1") async throws -> String? {
        var settings = Settings()
        settings.host = host
        return try await FirstStart(store: administration.store, settings: settings, data: data, surroundings: .system).run()
    }

    @Test func `the first start makes a key, later ones none`() async throws {
        defer { try? FileManager.default.removeItem(atPath: data.path) }
        let key = try #require(try await start())
        #expect(try String(contentsOfFile: data.keyFile, encoding: .utf8) == key + "\n")
        #expect(try await start() == nil)
    }

    @Test func `a key whose file was never written is made anew, and the old one revoked`() async throws {
        defer { try? FileManager.default.removeItem(atPath: data.path) }
        _ = try await start()
        let lost = try await administration.list()
        try FileManager.default.removeItem(atPath: data.keyFile)
        #expect(try await start(host: "0.0.0.0") == nil)
        let key = try #require(try await start())
        let keys = try await administration.list()
        #expect(keys.count == 1 && keys[0].id != lost[0].id)
        #expect(try String(contentsOfFile: data.keyFile, encoding: .utf8) == key + "\n")
    }

    @Test func `keys that people made are left alone, and a public server makes none`() async throws {
        defer { try? FileManager.default.removeItem(atPath: data.path) }
        await #expect(throws: MillraceError.self) { _ = try await start(host: "0.0.0.0") }
        _ = try await administration.create(name: "laptop", tenant: "default")
        #expect(try await start() == nil)
        #expect(try await administration.list().map(\.name) == ["laptop"])
    }
}
