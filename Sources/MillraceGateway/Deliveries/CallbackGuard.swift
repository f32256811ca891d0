import Foundation
import MillraceCore

/// Says whether a callback may be called, and at which address: no way into the operator's own network.
///
/// The host is resolved here, and the connection goes to the address that was checked: a name that says something else a
/// moment later changes nothing. When any of a host's addresses is private, the host is refused.
struct CallbackGuard: Sendable {
    let allowedHosts: [String]
    /// Addresses that the operator wrote into the settings; they may point anywhere.
    let trusted: Set<String>
    let resolver: HostResolver

    /// A callback that may be called.
    struct Target: Sendable, Hashable {
        /// As the HTTP client reads it from the same text.
        var host: String
        var address: NetworkAddress
    }

    /// Checks a callback when a job is submitted. A name server that does not answer refuses nothing: it is asked again later.
    /// - Throws: `callback_refused`.
    func check(_ url: String) async throws {
        do {
            _ = try await target(of: url)
        } catch HostResolver.Failure.temporary {
            return
        } catch HostResolver.Failure.unknownHost {
            throw Self.refused("the callback's host does not exist")
        }
    }

    /// - Throws: `callback_refused`, or ``HostResolver/Failure``.
    func target(of url: String) async throws -> Target {
        let host = try Self.host(of: url)
        let found = try await resolver.addresses(host)
        guard let address = found.first else { throw HostResolver.Failure.unknownHost }
        if !isAllowed(host), !trusted.contains(url), let bad = found.first(where: { !$0.isPublic }) {
            throw Self.refused(
                "the callback's host is at \(bad), which is not a public address",
                hint: "webhooks.allowedHosts lists private hosts that may be called")
        }
        return Target(host: host, address: address)
    }

    /// The host of a well-formed callback, without the brackets of an IPv6 address.
    static func host(of text: String) throws -> String {
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ (0x21..<0x7F).contains($0) }), let url = URL(string: text),
            let scheme = url.scheme?.lowercased(), let host = url.host, !host.isEmpty
        else { throw refused("the callback is not an absolute URL") }
        guard scheme == "http" || scheme == "https" else { throw refused("a callback is an http or https address, not \(scheme)") }
        let authority = text.dropFirst(scheme.count + 3).prefix { !"/?#".contains($0) }
        guard url.user == nil, url.password == nil, !authority.contains("@"), !authority.contains("\\") else {
            throw refused("a callback has no user name or password in it", hint: "receivers check the signature instead")
        }
        let (name, port) = split(authority)
        // What the HTTP client reads otherwise than this does, it must not get: a port that is none ends the process.
        guard isPlain(name) else { throw refused("the callback's host has characters that no host has") }
        if let port, !port.isEmpty, port.utf8.count > 5 || !port.utf8.allSatisfy(isDigit) || !(1...65_535).contains(Int(port) ?? 0) {
            throw refused("the callback's port is not from 1 to 65535")
        }
        return host.trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
    }

    /// Host and port of `host:port` and `[host]:port`.
    private static func split(_ authority: Substring) -> (host: Substring, port: Substring?) {
        let bracket = authority.lastIndex(of: "]") ?? authority.startIndex
        guard let colon = authority[bracket...].firstIndex(of: ":") else { return (authority, nil) }
        return (authority[..<colon], authority[authority.index(after: colon)...])
    }

    private static func isPlain(_ host: Substring) -> Bool {
        if host.hasPrefix("["), host.hasSuffix("]") { return NetworkAddress(String(host.dropFirst().dropLast())) != nil }
        return !host.isEmpty && host.utf8.allSatisfy { isDigit($0) || isLetter($0) || ".-_".utf8.contains($0) }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }

    private func isAllowed(_ host: String) -> Bool {
        let host = host.lowercased()
        return allowedHosts.contains { entry in
            let entry = entry.lowercased()
            return entry.hasPrefix("*.") ? host.hasSuffix(entry.dropFirst(1)) : entry == host
        }
    }

    private static func refused(_ message: String, hint: String? = nil) -> MillraceError {
        MillraceError(.callbackRefused, message, hint: hint)
    }

    /// A callback as logs have it: without its query.
    static func loggable(_ url: String) -> String {
        String(url.prefix { $0 != "?" && $0 != "#" })
    }
}

extension Gateway {
    /// Checks how a callback of an endpoint is written; whether its host is there is asked only when it is called.
    /// - Throws: `callback_refused`.
    public static func checkCallback(_ url: String) throws {
        _ = try CallbackGuard.host(of: url)
    }
}
