import Foundation
import MillraceApp
import MillraceCore
import Testing

@Suite struct ServerManifestTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-server-\(UInt64.random(in: 0...UInt64.max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func load(_ yaml: String) throws -> ModelManifest {
        try ("name: m\n" + yaml).write(to: folder.appendingPathComponent("model.yaml"), atomically: true, encoding: .utf8)
        return try ManifestLoader.load(folder.path)
    }

    private func fault(_ yaml: String) -> String {
        do {
            _ = try load(yaml)
            return "no fault"
        } catch {
            return (error as? MillraceError)?.message ?? "\(error)"
        }
    }

    @Test func `a model server is started by a command, or is already running`() throws {
        let started = try load("runner: http\ncommand: [serve, \"{port}\"]\nserver: { protocol: invocations, startMax: 5m, bytesMax: 2GB }\n")
        var expected = ModelServer(.invocations)
        expected.startMax = .seconds(300)
        expected.bytesMax = 2_000_000_000
        #expect(started.server == expected && started.command == ["serve", "{port}"])
        let running = try load("runner: http\nserver: { protocol: open-inference, url: \"https://models:8443/a/\", model: iris, version: \"3\" }\n")
        #expect(running.server == ModelServer(.openInference, url: "https://models:8443/a", model: "iris", version: "3"))
    }

    @Test(arguments: [
        ("runner: http\ncommand: [x]\n", "\"server\" is missing"),
        ("runner: http\nserver: { protocol: invocations }\n", "either \"command\" or \"server.url\" is needed"),
        ("runner: http\ncommand: [x]\nserver: { protocol: invocations, url: \"http://h\" }\n", "exclude each other"),
        ("runner: http\ncommand: [x]\nserver: { url: \"http://h\" }\n", "\"server.protocol\" is missing"),
        ("runner: http\ncommand: [x]\nserver: { protocol: grpc }\n", "must be invocations or open-inference, not \"grpc\""),
        ("runner: http\ncommand: [x]\nserver: { protocol: open-inference }\n", "\"server.model\" is missing"),
        ("runner: http\ncommand: [x]\nserver: { protocol: invocations, model: m }\n", "are for protocol: open-inference"),
        ("runner: http\ncommand: [x]\nserver: { protocol: invocations, startMacks: 1s }\n", "did you mean \"startMax\"?"),
        ("runner: http\ncommand: [x]\npipeline: tensors\nserver: { protocol: invocations }\n", "\"pipeline\" is for runner: onnx"),
        (
            "runner: http\ncommand: [x]\nserver: { protocol: open-inference, model: m }\nparameters: { p: { type: string } }\n",
            "\"parameters\" is not for protocol: open-inference"
        ),
        ("runner: http\ncommand: [x]\nserver: { protocol: invocations, startMax: 0s }\n", "\"server.startMax\" (line 4) must be a duration of more than 0"),
        ("runner: http\ncommand: [x]\nserver: { protocol: invocations, bytesMax: 0 }\n", "\"server.bytesMax\" (line 4) must be a size of more than 0"),
        ("runner: http\ncommand: [x]\nserver: { protocol: open-inference, model: \"\" }\n", "\"server.model\" (line 4) must be what the server calls the model"),
        ("runner: http\ncommand: [x]\nserver: { protocol: invocations }\noptions: { decode: image }\n", "options.decode is unknown"),
        ("runner: echo\nserver: { protocol: invocations }\n", "\"server\" is for runner: http; this is runner: echo"),
    ])
    func `what does not fit together is told`(yaml: String, message: String) {
        #expect(fault(yaml).contains(message), "\(fault(yaml))")
    }

    @Test(arguments: ["127.0.0.1:80", "ftp://h", "http://", "http://u:p@h", "http://h?q", "http://h#f", "http://h:0"])
    func `an address is HTTP without user, query or fragment`(url: String) {
        #expect(fault("runner: http\nserver: { protocol: invocations, url: \"\(url)\" }\n").contains("must be an address such as"))
    }

    @Test func `all faults are told at once`() {
        let fault = fault("runner: http\npipeline: tensors\nserver: { url: nowhere, version: \"1\", startMax: 0s, bytesMax: 0B }\noptions: { a: 1 }\n")
        let parts = [
            "\"pipeline\" is for", "must be an address", "\"server.protocol\" is missing", "\"server.startMax\"", "\"server.bytesMax\"", "options.a is unknown",
        ]
        for words in parts { #expect(fault.contains(words), "\(fault)") }
        #expect(fault.hasPrefix("6 faults"), "\(fault)")
    }
}
