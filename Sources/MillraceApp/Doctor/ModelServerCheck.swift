import Foundation
import MillraceCore
import MillraceProcesses

/// Looks at the model server of one endpoint: whether the program that is to be started is there, or whether anybody
/// listens where one is said to be running.
struct ModelServerCheck {
    let endpoint: EndpointConfiguration
    let python: String
    let searchPath: String

    func finding() -> Doctor.Finding? {
        guard endpoint.manifest.runner == .http, let server = endpoint.manifest.server else { return nil }
        return server.url.map(checkAddress) ?? checkProgram()
    }

    private func checkProgram() -> Doctor.Finding {
        let words = (endpoint.manifest.command ?? []).map { $0.replacing("{python}", with: python) }
        let command = ChildCommand(words, environment: ["PATH": searchPath], in: endpoint.modelDirectory)
        guard let path = command?.programPath else {
            return Doctor.Finding(
                check: "model server", status: .fault, detail: "\(endpoint.name): there is no program \"\(words.first ?? "")\"",
                remedy: "install it, or correct \"command\" in \(endpoint.modelDirectory)/model.yaml")
        }
        return Doctor.Finding(check: "model server", status: .ok, detail: "\(endpoint.name): started by the worker, \(path)", remedy: nil)
    }

    /// Never a fault: the server may be started later. What travels in the clear is said.
    private func checkAddress(_ url: String) -> Doctor.Finding {
        guard let parts = URLComponents(string: url), let host = parts.host?.trimmingCharacters(in: ["[", "]"]) else {
            return Doctor.Finding(check: "model server", status: .fault, detail: "\(endpoint.name): \(url) is no address", remedy: nil)
        }
        let isSecure = parts.scheme == "https"
        let answer = ConnectionProbe.probe(host: host, port: parts.port ?? (isSecure ? 443 : 80))
        if let reason = answer {
            return Doctor.Finding(
                check: "model server", status: .note, detail: "\(endpoint.name): nobody answers at \(url): \(reason)",
                remedy: "start the model server before the first job; jobs wait until then")
        }
        if !isSecure, !["127.0.0.1", "::1", "localhost"].contains(host) {
            return Doctor.Finding(
                check: "model server", status: .note, detail: "\(endpoint.name): inputs and results travel unencrypted to \(url)",
                remedy: "fine in a network that you trust; else use https")
        }
        return Doctor.Finding(check: "model server", status: .ok, detail: "\(endpoint.name): \(url)", remedy: nil)
    }
}

/// Tries to connect to an address, for at most two seconds.
enum ConnectionProbe {
    /// - Returns: why it did not go; `nil` when somebody listens there.
    static func probe(host: String, port: Int) -> String? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let address = list?.pointee else { return "no such address" }
        defer { freeaddrinfo(list) }
        let descriptor = socket(address.ai_family, address.ai_socktype, 0)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        defer { close(descriptor) }
        // On Linux the limit of a send is that of a connect too.
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 else {
            return errno == EINPROGRESS ? "no answer in time" : String(cString: strerror(errno)).lowercased()
        }
        return nil
    }
}
