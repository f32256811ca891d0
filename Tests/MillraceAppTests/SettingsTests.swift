import Foundation
import MillraceApp
import MillraceCore
import MillraceGateway
import Testing

@Suite struct SettingsTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-settings-\(UInt64.random(in: 0...UInt64.max))")
        try FileManager.default.createDirectory(at: folder.appendingPathComponent("model"), withIntermediateDirectories: true)
        try write("model/model.yaml", "name: m\nrunner: process\ncommand: [\"{python}\", handler.py]\n")
        try write("model/handler.py", "")
    }

    private func write(_ name: String, _ text: String) throws {
        try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }

    private func load(_ yaml: String, environment: [String: String] = [:], flags: SettingsLoader.Flags = .init()) throws -> Settings {
        try write("millrace.yaml", yaml)
        var flags = flags
        flags.file = folder.appendingPathComponent("millrace.yaml").path
        return try SettingsLoader.load(flags: flags, environment: environment)
    }

    private func fault(_ yaml: String, environment: [String: String] = [:]) -> String {
        do {
            _ = try load(yaml, environment: environment)
            return "no fault"
        } catch {
            return (error as? MillraceError)?.message ?? "\(error)"
        }
    }

    @Test func `a certificate needs its key, and its path is relative to the file`() throws {
        let settings = try load("tls: { certificate: server.pem, key: /etc/server.key }\n")
        #expect(settings.tls?.certificate == folder.appendingPathComponent("server.pem").path && settings.tls?.key == "/etc/server.key")
        #expect(try load("", environment: ["MILLRACE_TLS_CERTIFICATE": "a", "MILLRACE_TLS_KEY": "b"]).tls?.key == "b")
        #expect(fault("tls: { certificate: server.pem }\n").contains("both its certificate and its key"))
        #expect(fault("", environment: ["MILLRACE_TLS_KEY": "b"]).contains("both its certificate and its key"))
        #expect(try load("endpoints: { e: { model: model, fleet: joined } }\n").endpoints[0].fleet == .joined)
        #expect(fault("endpoints: { e: { model: model, fleet: cloud } }\n").contains("any, local or joined"))
    }

    @Test func `flags win over the environment, the environment over the file, the file over defaults`() throws {
        #expect(try load("host: localhost\n").port == 8080)
        #expect(try load("port: 1\n").port == 1)
        #expect(try load("port: 1\n", environment: ["MILLRACE_PORT": "2"]).port == 2)
        #expect(try load("port: 1\n", environment: ["MILLRACE_PORT": "2"], flags: .init(port: 3)).port == 3)
    }

    @Test func `the echo runner needs nothing but its name`() throws {
        try write("model/model.yaml", "name: e\nrunner: echo\ninput: optional\n")
        let endpoint = try #require(try load("endpoints: { e: { model: model } }\n").endpoints.first)
        #expect(endpoint.manifest.runner == .echo)
        #expect(endpoint.manifest.inputIsOptional)
        try write("model/model.yaml", "name: e\nrunner: echo\ncommand: [x]\npipeline: tensors\nfiles: { model: handler.py }\n")
        let fault = fault("endpoints: { e: { model: model } }\n")
        for key in ["command", "pipeline", "files"] { #expect(fault.contains("\"\(key)\"")) }
    }

    @Test func `an endpoint has defaults, its model's facts and what the file says`() throws {
        let settings = try load(
            """
            endpoints:
              ocr:
                model: model
                batching: { itemsMax: 3, costMax: 4000, waitMax: 5ms }
                retry: { attemptsMax: 2, backoffBase: 2s }
                limits: { bytesMax: 2MiB }
                scaling: { max: 7, policy: { targetWait: 3s } }
                runLimit: 6h
            """)
        let endpoint = try #require(settings.endpoints.first)
        #expect(endpoint.name == "ocr")
        #expect(endpoint.manifest.name == "m")
        #expect(endpoint.batching.itemsMax == 3)
        #expect(endpoint.batching.costMax == 4000)
        #expect(endpoint.batching.waitMax == .milliseconds(5))
        #expect(endpoint.retry == RetryPolicy(attemptsMax: 2, backoffBase: .seconds(2)))
        #expect(endpoint.limits.bytesMax == 2 << 20)
        #expect(endpoint.scaling.max == 7)
        #expect(endpoint.scaling.targetWait == .seconds(3))
        #expect(endpoint.runLimit == .seconds(6 * 3600))
        #expect(endpoint.modelVersion.count == 64)
    }

    @Test func `all faults are told at once, each with its place`() {
        let message = fault(
            """
            prot: 80
            lease: 15
            endpoints:
              ocr: { model: model, batching: { itemMax: 2 }, scaling: { min: 3, max: 2 } }
              BAD: { model: model }
              lost: { model: nowhere }
            """, environment: ["MILLRACE_PROT": "1"])
        #expect(message.contains("6 faults") || message.contains("7 faults"), "\(message)")
        #expect(message.contains("unknown key \"prot\" (line 1); did you mean \"port\"?"), "\(message)")
        #expect(message.contains("\"lease\" (line 2) must be a duration such as"), "\(message)")
        #expect(message.contains("\"endpoints.ocr.batching.itemMax\""), "\(message)")
        #expect(message.contains("(3) is greater than"), "\(message)")
        #expect(message.contains("endpoints.BAD"), "\(message)")
        #expect(message.contains("nowhere/model.yaml"), "\(message)")
        #expect(message.contains("unknown environment variable MILLRACE_PROT; did you mean MILLRACE_PORT?"), "\(message)")
    }

    @Test func `a public address without keys is refused`() {
        #expect(fault("host: 0.0.0.0\nauth: none\n").contains("auth is none but host is 0.0.0.0"))
        #expect(fault("host: 127.0.0.1\nauth: none\n") == "no fault")
    }

    @Test func `a manifest's faults are told with the file`() throws {
        try write("model/model.yaml", "name: m\nrunner: onnx\ncommand: [x]\nfiles: { labels: ../secret }\nparametres: {}\n")
        let message = fault("endpoints: { ocr: { model: model } }\n")
        #expect(message.contains("\"command\" is for runner: process"), "\(message)")
        #expect(message.contains("\"pipeline\" is missing"), "\(message)")
        #expect(message.contains("must stay in the model's folder"), "\(message)")
        #expect(message.contains("did you mean \"parameters\"?"), "\(message)")
    }

    @Test(arguments: [("15s", 15_000), ("250ms", 250), ("1.5s", 1500), ("2h", 7_200_000), ("7d", 604_800_000)])
    func `durations are read with their unit`(text: String, milliseconds: Int64) throws {
        #expect(try load("lease: 10s\nendpoints: { o: { model: model, runLimit: \(text) } }\n").endpoints[0].runLimit.milliseconds == milliseconds)
    }

    @Test(arguments: ["15", "s", "-1s", "1e3s", "five minutes", "99999999999999d"])
    func `anything else is no duration`(text: String) {
        #expect(fault("endpoints: { o: { model: model, runLimit: \"\(text)\" } }\n").contains("must be a duration"))
    }

    @Test func `a handler's version changes with every file that it may read, and with no other`() throws {
        func version(_ versions: Bool = true) throws -> String {
            try write("millrace.yaml", "endpoints: { o: { model: model } }\n")
            let file = folder.appendingPathComponent("millrace.yaml").path
            return try SettingsLoader.load(flags: .init(file: file), environment: [:], versions: versions).endpoints[0].modelVersion
        }
        let first = try version()
        for hidden in [".cache", "__pycache__", "part"] {
            try FileManager.default.createDirectory(at: folder.appendingPathComponent("model/\(hidden)"), withIntermediateDirectories: true)
        }
        for name in [".notes", "test_handler.py", "x.pyc", ".cache/weights.bin", "__pycache__/y.txt"] { try write("model/\(name)", "x") }
        #expect(try version() == first)
        try write("model/part/weights.bin", "x")
        let second = try version()
        #expect(second != first)
        try write("model/part/weights.bin", "y")
        #expect(try version() != second)
        #expect(try version(false) == "")
    }

    @Test func `every environment variable in the registry is one of ours`() {
        #expect(SettingsRegistry.all.compactMap(\.variable).allSatisfy { $0.hasPrefix("MILLRACE_") })
        #expect(Set(SettingsRegistry.all.compactMap(\.variable)).count == SettingsRegistry.all.compactMap(\.variable).count)
    }
}
