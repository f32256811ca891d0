import Foundation
import MillraceCore
import MillraceRunnerONNX
import MillraceVision

/// Looks at the machine and says of each thing that Millrace needs whether it is there, and how to mend what is not.
public struct Doctor: Sendable {
    public struct Finding: Sendable, Codable, Equatable {
        public enum Status: String, Sendable, Codable { case ok, note, fault }
        public var check: String
        public var status: Status
        public var detail: String
        public var remedy: String?

        public init(check: String, status: Status, detail: String, remedy: String?) {
            self.check = check
            self.status = status
            self.detail = detail
            self.remedy = remedy
        }
    }

    let settings: Settings
    private let searchPath: String
    let locations: RuntimeLocations

    public init(settings: Settings, searchPath: String) {
        self.settings = settings
        self.searchPath = searchPath
        locations = RuntimeLocations(settings, searchPath: searchPath)
    }

    public func findings() -> [Finding] {
        [checkSettings()] + checkModels() + checkModelServers() + [
            checkONNXRuntime(), checkPython(), checkShim(), checkPoppler(), checkData(), checkDisk(), checkPort(), checkGPU(),
        ].compactMap { $0 }
    }

    private func checkSettings() -> Finding {
        guard !settings.endpoints.isEmpty else {
            return fault("settings", "no endpoints are configured", "write a millrace.yaml, or name one with --config; the README shows how")
        }
        let names = settings.endpoints.map(\.name).joined(separator: ", ")
        return ok("settings", "\(settings.file ?? "defaults"): \(settings.endpoints.count) endpoints (\(names))")
    }

    private func checkModels() -> [Finding] {
        settings.endpoints.map { endpoint in
            ok("model", "\(endpoint.name): \(endpoint.manifest.name), version \(endpoint.modelVersion.prefix(12)), runner \(endpoint.manifest.runner.rawValue)")
        }
    }

    private func checkModelServers() -> [Finding] {
        settings.endpoints.compactMap { ModelServerCheck(endpoint: $0, python: locations.python, searchPath: searchPath).finding() }
    }

    private func checkONNXRuntime() -> Finding? {
        guard needs(.onnx) else { return nil }
        do {
            let library = try ONNXRuntimeLibrary.open(ONNXRuntimeLibrary.locate(candidates: locations.onnxRuntimeCandidates))
            return ok("ONNX Runtime", "\(library.version), \(library.path)")
        } catch {
            let error = error as? MillraceError
            return fault("ONNX Runtime", error?.message ?? "\(error)", error?.hint ?? "run dev/setup, or set MILLRACE_ONNXRUNTIME to the library")
        }
    }

    private func checkPython() -> Finding? {
        guard needs(.process) else { return nil }
        guard FileManager.default.isExecutableFile(atPath: locations.python) else {
            return fault("Python", "\(locations.python) is not there", "run dev/setup, or set MILLRACE_PYTHON to an interpreter")
        }
        return ok("Python", locations.python)
    }

    private func checkShim() -> Finding? {
        guard needs(.process) else { return nil }
        guard let shim = locations.shim else {
            return fault("Python shim", "clients/python was not found near the settings file or the binary", "start Millrace where clients/python is, or put that folder beside millrace.yaml")
        }
        return ok("Python shim", shim)
    }

    private func checkPoppler() -> Finding? {
        let accepts = settings.endpoints.contains { $0.manifest.accepts.contains("application/pdf") }
        guard accepts else { return nil }
        return PDFDocument.isAvailable
            ? ok("poppler", "libpoppler-glib.so.8")
            : fault("poppler", "libpoppler-glib.so.8 cannot be loaded", "apt-get install libpoppler-glib8")
    }

    private func checkData() -> Finding {
        do {
            let data = try DataDirectory(settings.dataDirectory)
            try data.write("", to: ".doctor")
            try? FileManager.default.removeItem(atPath: data.path + "/.doctor")
            return ok("data directory", data.path)
        } catch {
            let error = error as? MillraceError
            return fault("data directory", error?.message ?? "\(error)", error?.hint ?? "choose another with --data")
        }
    }

    private func checkDisk() -> Finding? {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: settings.dataDirectory)
        guard let free = (attributes?[.systemFreeSize] as? NSNumber)?.int64Value else { return nil }
        let text = String(format: "%.1f GB free", Double(free) / 1e9)
        return free < 1_000_000_000
            ? fault("disk", text, "free some space: uploads and results are refused when the disk is full") : ok("disk", text)
    }

    private func checkPort() -> Finding {
        switch PortProbe.probe(host: settings.host, port: settings.port) {
        case .free: ok("port", "\(settings.host):\(settings.port) is free")
        case .taken: Finding(
            check: "port", status: .note, detail: "\(settings.host):\(settings.port) is in use",
            remedy: "fine if that is Millrace itself; else choose another with --port")
        case .impossible(let reason): fault("port", "\(settings.host):\(settings.port): \(reason)", "choose an address of this machine with --host")
        }
    }

    private func checkGPU() -> Finding {
        let wanted = settings.endpoints.filter { $0.device == .gpu }
        let count = ModelDevice.gpuCount
        guard count > 0 else {
            guard let first = wanted.first else {
                return Finding(check: "GPU", status: .note, detail: "none found; models run on the CPU", remedy: nil)
            }
            return fault(
                "GPU", "none found, and \(first.name) asks for device: gpu",
                "nvidia-smi must show one; start the container with its GPUs, or set device: auto")
        }
        let library = try? ONNXRuntimeLibrary.open(ONNXRuntimeLibrary.locate(candidates: locations.onnxRuntimeCandidates))
        if needs(.onnx), let library, !library.hasCUDA {
            let isFault = wanted.contains { $0.manifest.runner == .onnx }
            let text = "\(count) NVIDIA, but this ONNX Runtime is a build for CPUs"
            let remedy = "pip install onnxruntime-gpu in place of onnxruntime"
            return isFault ? fault("GPU", text, remedy) : Finding(check: "GPU", status: .note, detail: text, remedy: remedy)
        }
        return ok("GPU", "\(count) NVIDIA")
    }

    private func needs(_ runner: ModelManifest.RunnerKind) -> Bool {
        settings.endpoints.contains { $0.manifest.runner == runner }
    }

    func note(_ check: String, _ detail: String, _ remedy: String?) -> Finding {
        Finding(check: check, status: .note, detail: detail, remedy: remedy)
    }

    func ok(_ check: String, _ detail: String) -> Finding {
        Finding(check: check, status: .ok, detail: detail, remedy: nil)
    }

    func fault(_ check: String, _ detail: String, _ remedy: String) -> Finding {
        Finding(check: check, status: .fault, detail: detail, remedy: remedy)
    }
}

/// Tries to bind an address, to tell whether a server could.
enum PortProbe {
    enum Answer: Equatable { case free, taken, impossible(String) }

    static func probe(host: String, port: Int) -> Answer {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let address = list?.pointee else { return .impossible("no such address") }
        defer { freeaddrinfo(list) }
        let descriptor = socket(address.ai_family, address.ai_socktype, 0)
        guard descriptor >= 0 else { return .impossible(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, address.ai_addr, address.ai_addrlen) == 0 else {
            return errno == EADDRINUSE ? .taken : .impossible(String(cString: strerror(errno)))
        }
        return .free
    }
}
