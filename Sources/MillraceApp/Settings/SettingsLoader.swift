import Foundation
import Logging
import MillraceCore
import MillraceGateway
import Yams

/// Makes the effective settings: flags over environment over `millrace.yaml` over defaults. All faults are told at once.
public enum SettingsLoader {
    /// What the command line was given.
    public struct Flags: Sendable {
        public var file: String?
        public var host: String?
        public var port: Int?
        public var dataDirectory: String?

        public init(file: String? = nil, host: String? = nil, port: Int? = nil, dataDirectory: String? = nil) {
            self.file = file
            self.host = host
            self.port = port
            self.dataDirectory = dataDirectory
        }
    }

    /// - Parameter versions: whether models are given their versions, for which every byte of them is read. Without, the
    ///   versions are empty.
    /// - Throws: `invalid_settings` with every fault there is.
    public static func load(flags: Flags = .init(), environment: [String: String], versions: Bool = true) throws -> Settings {
        var settings = Settings()
        var faults = Faults()
        if let file = try settingsFile(flags, environment) {
            settings.file = file
            readFile(file, versions: versions, into: &settings, &faults)
        }
        readEnvironment(environment, into: &settings, &faults)
        if let host = flags.host { settings.host = host }
        if let port = flags.port { settings.port = port }
        if let data = flags.dataDirectory { settings.dataDirectory = data }
        check(settings, &faults)
        try faults.throwIfAny(in: settings.file.map { "the settings (\($0) and the environment)" } ?? "the settings")
        return settings
    }

    /// What a settings file says of one endpoint's scaling, whatever else is in it; models need not be there.
    /// - Throws: `invalid_settings` with every fault of it, or with the endpoints that there are.
    public static func scaling(of endpoint: String, in file: String) throws -> ScalingConfiguration {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
            throw MillraceError(.invalidSettings, "the settings file \(file) cannot be read", hint: "name an existing file")
        }
        var (scaling, faults, names) = (ScalingConfiguration(), Faults(), [String]())
        do {
            let root = try Yams.compose(yaml: text) ?? [:]
            var reader = MappingReader(root, path: "", faults: &faults)
            var endpoints = MappingReader(reader.take("endpoints") ?? [:], path: "endpoints", faults: &faults)
            let all = endpoints.takeAll()
            names = all.map(\.key)
            if let node = all.first(where: { $0.key == endpoint })?.node {
                var reader = MappingReader(node, path: "endpoints.\(endpoint)", faults: &faults)
                reader.mapping("scaling", &faults) { reader, faults in ScalingReader.fill(&scaling, from: &reader, &faults) }
            }
        } catch {
            faults.add("\(file) is not valid YAML: \(error)")
        }
        try faults.throwIfAny(in: file)
        guard names.contains(endpoint) else {
            throw MillraceError(
                .invalidSettings, "\(file) has no endpoint \(endpoint)",
                hint: names.isEmpty ? "it has no endpoints at all" : "it has \(names.joined(separator: ", "))")
        }
        return scaling
    }

    private static func settingsFile(_ flags: Flags, _ environment: [String: String]) throws -> String? {
        if let named = flags.file ?? environment["MILLRACE_CONFIG"] {
            guard FileManager.default.isReadableFile(atPath: named) else {
                throw MillraceError(.invalidSettings, "the settings file \(named) cannot be read", hint: "name an existing file with --config")
            }
            return named
        }
        return FileManager.default.isReadableFile(atPath: "millrace.yaml") ? "millrace.yaml" : nil
    }

    private static func readFile(_ file: String, versions: Bool, into settings: inout Settings, _ faults: inout Faults) {
        do {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            guard let root = try Yams.compose(yaml: text) else { return }
            let endpoints = EndpointReader(base: URL(fileURLWithPath: file).deletingLastPathComponent(), versions: versions)
            read(root, endpoints, into: &settings, &faults)
        } catch {
            faults.add("\(file) is not valid YAML: \(error)")
        }
    }

    private static func read(_ root: Node, _ endpointReader: EndpointReader, into settings: inout Settings, _ faults: inout Faults) {
        let base = endpointReader.base
        var reader = MappingReader(root, path: "", faults: &faults)
        if let value = reader.string("host", &faults) { settings.host = value }
        if let value = reader.integer("port", &faults, in: 0...65535) { settings.port = value }
        // Paths in a file are relative to that file; in the environment and in flags to where one stands.
        if let value = reader.string("data", &faults) { settings.dataDirectory = URL(fileURLWithPath: value, relativeTo: base).standardizedFileURL.path }
        if let value = reader.value("auth", "required or none", &faults, { $0.scalar.flatMap { Settings.Authentication(rawValue: $0.string) } }) { settings.authentication = value }
        reader.mapping("tls", &faults) { reader, faults in
            let paths = ["certificate", "key"].map { name in
                reader.string(name, &faults).map { URL(fileURLWithPath: $0, relativeTo: base).standardizedFileURL.path }
            }
            settings.tls = TLSFiles(certificate: paths[0] ?? "", key: paths[1] ?? "")
        }
        if let value = reader.value("logLevel", levels, &faults, { $0.scalar.flatMap { Logger.Level(rawValue: $0.string) } }) { settings.logLevel = value.rawValue }
        if let value = reader.duration("lease", &faults) { settings.lease = value }
        if let value = reader.string("python", &faults) { settings.python = value.contains("/") ? URL(fileURLWithPath: value, relativeTo: base).standardizedFileURL.path : value }
        if let value = reader.string("onnxruntime", &faults) { settings.onnxRuntime = URL(fileURLWithPath: value, relativeTo: base).standardizedFileURL.path }
        if let value = reader.integer("threads", &faults, in: 0...256) { settings.threads = value }
        reader.mapping("webhooks", &faults) { reader, faults in
            if let value = reader.string("secret", &faults) { settings.webhookSecret = value }
            if let value = reader.strings("allowedHosts", &faults) { settings.webhookAllowedHosts = value }
        }
        if let value = reader.value("currency", "the three letters of a currency, such as EUR", &faults, { $0.scalar.flatMap { $0.string.isCurrency ? $0.string : nil } }) { settings.currency = value }
        reader.mapping("fleet", &faults) { reader, faults in
            settings.fleet.slots = reader.integer("slots", &faults, in: 0...10_000)
            settings.fleet.workersPerGPU = reader.integer("workersPerGPU", &faults, in: 1...1000)
        }
        if let node = reader.take("endpoints") {
            var endpoints = MappingReader(node, path: "endpoints", faults: &faults)
            settings.endpoints = endpoints.takeAll().compactMap { endpointReader.read($0.key, $0.node, &faults) }
        }
        reader.finish(&faults)
    }

    private static let levels = "one of " + Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")

    private static func readEnvironment(_ environment: [String: String], into settings: inout Settings, _ faults: inout Faults) {
        for name in environment.keys.sorted() where name.hasPrefix("MILLRACE_") && !SettingsRegistry.variables.contains(name) {
            let hint = Spelling.nearest(to: name, in: SettingsRegistry.variables).map { "; did you mean \($0)?" } ?? ""
            faults.add("unknown environment variable \(name)\(hint)")
        }
        func parsed<Value>(_ name: String, _ what: String, _ parse: (String) -> Value?) -> Value? {
            guard let text = environment[name] else { return nil }
            guard let value = parse(text) else {
                faults.add("\(name) must be \(what), not \"\(text)\"")
                return nil
            }
            return value
        }
        if let value = environment["MILLRACE_HOST"] { settings.host = value }
        if let value = parsed("MILLRACE_PORT", "a port from 0 to 65535", { Int($0).flatMap { (0...65535).contains($0) ? $0 : nil } }) { settings.port = value }
        if let value = environment["MILLRACE_DATA"] { settings.dataDirectory = value }
        if let value = parsed("MILLRACE_AUTH", "required or none", Settings.Authentication.init(rawValue:)) { settings.authentication = value }
        if let value = environment["MILLRACE_TLS_CERTIFICATE"] { settings.tls = TLSFiles(certificate: value, key: settings.tls?.key ?? "") }
        if let value = environment["MILLRACE_TLS_KEY"] { settings.tls = TLSFiles(certificate: settings.tls?.certificate ?? "", key: value) }
        if let value = parsed("MILLRACE_LOG_LEVEL", levels, Logger.Level.init(rawValue:)) { settings.logLevel = value.rawValue }
        if let value = parsed("MILLRACE_LEASE", "a duration such as 15s", Quantity.duration) { settings.lease = value }
        if let value = environment["MILLRACE_PYTHON"] { settings.python = value }
        if let value = environment["MILLRACE_ONNXRUNTIME"] { settings.onnxRuntime = value }
        if let value = parsed("MILLRACE_THREADS", "a number from 0 to 256", { Int($0).flatMap { (0...256).contains($0) ? $0 : nil } }) { settings.threads = value }
        if let value = environment["MILLRACE_WEBHOOK_SECRET"] { settings.webhookSecret = value }
        if let value = environment["MILLRACE_WEBHOOK_ALLOWED_HOSTS"] { settings.webhookAllowedHosts = value.split(separator: ",").map(String.init) }
    }

    /// What each setting alone cannot tell.
    private static func check(_ settings: Settings, _ faults: inout Faults) {
        if settings.authentication == .none, !settings.isLoopback {
            faults.add("auth is none but host is \(settings.host): a server that others can reach needs keys; set auth to required, or host to 127.0.0.1")
        }
        if let tls = settings.tls, tls.certificate.isEmpty || tls.key.isEmpty {
            faults.add("tls needs both its certificate and its key")
        }
        if settings.lease < .seconds(1) {
            faults.add("lease is \(Quantity.shown(settings.lease)): below 1s a busy machine would lose leases")
        }
        if let secret = settings.webhookSecret, !secret.hasPrefix("whsec_") || Data(base64Encoded: String(secret.dropFirst(6))) == nil {
            faults.add("the webhook secret must be whsec_ and base64 (24 to 64 bytes)")
        }
    }
}

extension String {
    fileprivate var isCurrency: Bool { utf8.count == 3 && allSatisfy { $0.isASCII && $0.isUppercase } }
}
