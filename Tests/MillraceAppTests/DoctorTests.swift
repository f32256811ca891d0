import Foundation
import MillraceApp
import MillraceCore
import MillraceTestSupport
import Testing

@Suite struct DoctorTests {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// What the doctor says of a fixture model behind an endpoint of the same name.
    private func findings(_ models: String...) async throws -> [Doctor.Finding] {
        try await withTemporaryDirectory { folder in
            var yaml = "endpoints:\n"
            for model in models {
                let place = URL(filePath: folder.file(model))
                try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                try FileManager.default.copyItem(
                    at: Self.repository.appending(path: "Tests/MillraceRunnerONNXTests/Fixtures/\(model).onnx"), to: place.appending(path: "m.onnx"))
                try "name: \(model)\nrunner: onnx\npipeline: tensors\nfiles: { model: m.onnx }\n"
                    .write(to: place.appending(path: "model.yaml"), atomically: true, encoding: .utf8)
                yaml += "  \(model): { model: \(model) }\n"
            }
            try yaml.write(toFile: folder.file("millrace.yaml"), atomically: true, encoding: .utf8)
            var flags = SettingsLoader.Flags()
            flags.file = folder.file("millrace.yaml")
            // Without a library that is named, the repository's is found from the working directory of the tests.
            let environment = ProcessInfo.processInfo.environment.filter { $0.key == "MILLRACE_ONNXRUNTIME" }
            return await Doctor(settings: try SettingsLoader.load(flags: flags, environment: environment), searchPath: "").measureModels()
        }
    }

    @Test func `names a model whose items move each other, with the figure, and leaves others in peace`() async throws {
        let found = try await findings("dynamic-int8", "double", "single")
        #expect(found.map(\.status) == [.note, .ok, .ok], "\(found)")
        #expect(found[0].detail.contains("dynamic-int8") && found[0].detail.contains("each item is given a call of its own") && found[0].remedy != nil)
        let figure = try #require(found[0].detail.firstMatch(of: /up to (\d\.\de[+-]\d\d)/))
        #expect(try #require(Double(figure.1)) > 1e-4)
        #expect(found[1].detail == "double: items of one call move each other's outputs by at most 0")
        #expect(found[2].detail == "single: items never share a call")
    }

    @Test func `a model that cannot be loaded is a fault`() async throws {
        #expect(try await findings("scalar-input").map(\.status) == [.fault])
    }
}
