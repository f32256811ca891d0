import Foundation
import MillraceCore
import Yams

// `server` of a model.yaml: what a model server speaks and where it is.
extension ManifestLoader {
    /// - Returns: `nil` when the protocol is not told, and that was noted.
    static func server(_ reader: inout MappingReader, command: [String]?, _ faults: inout Faults) -> ModelServer? {
        let (hasProtocol, hasURL, hasModel) = (reader.has("protocol"), reader.has("url"), reader.has("model"))
        let dialect = reader.value("protocol", "invocations or open-inference", &faults) {
            $0.scalar.flatMap { ModelServer.Dialect(rawValue: $0.string) }
        }
        var server = ModelServer(dialect ?? .invocations)
        server.url = reader.value("url", "an address such as http://127.0.0.1:8085, without user, query or fragment", &faults) {
            $0.scalar.flatMap { address($0.string) }
        }
        server.model = reader.value("model", "what the server calls the model", &faults) { $0.scalar.flatMap { $0.string.isEmpty ? nil : $0.string } }
        server.version = reader.string("version", &faults)
        let startMax = reader.value("startMax", "a duration of more than 0, such as 30s or 5m", &faults) {
            $0.scalar.flatMap { Quantity.duration($0.string) }.flatMap { $0 > .zero ? $0 : nil }
        }
        let bytesMax = reader.value("bytesMax", "a size of more than 0, such as 50MB or 2GiB", &faults) {
            $0.scalar.flatMap { Quantity.bytes($0.string) }.flatMap { $0 > 0 ? $0 : nil }
        }
        server.startMax = startMax ?? server.startMax
        server.bytesMax = bytesMax ?? server.bytesMax
        if !hasProtocol { faults.add("\"\(reader.full("protocol"))\" is missing: invocations or open-inference") }
        switch (command?.isEmpty ?? true, hasURL) {
        case (true, false):
            faults.add("either \"command\" or \"server.url\" is needed: how the model server is started, or where it is already running")
        case (false, true): faults.add("\"command\" and \"server.url\" exclude each other: a server that is already running is not started")
        case (true, true), (false, false): break
        }
        guard let dialect else { return nil }
        switch dialect {
        case .openInference where !hasModel:
            faults.add("\"\(reader.full("model"))\" is missing: what the server calls the model")
        case .invocations where hasModel || server.version != nil:
            faults.add("\"\(reader.full("model"))\" and \"\(reader.full("version"))\" are for protocol: open-inference; this is protocol: invocations")
        case .invocations, .openInference: break
        }
        return server
    }

    static func checkServer(of manifest: ModelManifest, _ faults: inout Faults) {
        if manifest.pipeline != nil { faults.add("\"pipeline\" is for runner: onnx; this is runner: http") }
        for option in manifest.options.keys.sorted() { faults.add("options.\(option) is unknown: runner: http has no options") }
        if manifest.server?.dialect == .openInference, !manifest.parameters.isEmpty {
            faults.add("\"parameters\" is not for protocol: open-inference, whose requests carry their own")
        }
    }

    /// An address to which paths can be added; `nil` when it is none.
    private static func address(_ text: String) -> String? {
        guard let parts = URLComponents(string: text), ["http", "https"].contains(parts.scheme), let host = parts.host, !host.isEmpty,
            parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil, (1...65535).contains(parts.port ?? 80)
        else { return nil }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }
}
