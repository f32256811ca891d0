#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// An IPv4 or IPv6 address, and whether the public internet knows it.
struct NetworkAddress: Sendable, Hashable, CustomStringConvertible {
    /// 4 or 16 bytes, most significant first.
    let bytes: [UInt8]
    /// As `getnameinfo` writes it.
    let description: String

    /// Reads the numeric form alone; `nil` for a name.
    init?(_ text: String) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            bytes = withUnsafeBytes(of: &four) { Array($0) }
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            bytes = withUnsafeBytes(of: &six) { Array($0) }
        } else {
            return nil
        }
        description = text
    }

    /// Whether it may be called without further permission: not this machine, not a private or special network.
    ///
    /// Source: the IANA registries of special-purpose addresses. Addresses that carry an IPv4 address (mapped, NAT64) are
    /// judged by it; tunnels (6to4, Teredo) are refused.
    var isPublic: Bool {
        bytes.count == 4 ? !Self.special4.contains { $0.contains(bytes) } : isPublic6
    }

    private var isPublic6: Bool {
        if Self.mapped.contains(bytes) || Self.nat64.contains(bytes) { return !Self.special4.contains { $0.contains(Array(bytes.suffix(4))) } }
        return Self.global6.contains(bytes) && !Self.special6.contains { $0.contains(bytes) }
    }

    private static let special4 = networks(
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4")
    private static let special6 = networks("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
    private static let global6 = networks("2000::/3")[0]
    private static let mapped = networks("::ffff:0:0/96")[0]
    private static let nat64 = networks("64:ff9b::/96")[0]

    private static func networks(_ texts: String...) -> [Network] { texts.compactMap(Network.init) }

    private struct Network: Sendable {
        let bytes: [UInt8]
        let bits: Int

        init?(_ text: String) {
            let parts = text.split(separator: "/")
            guard parts.count == 2, let address = NetworkAddress(String(parts[0])), let bits = Int(parts[1]) else { return nil }
            bytes = address.bytes
            self.bits = bits
        }

        func contains(_ address: [UInt8]) -> Bool {
            address.count == bytes.count
                && (0..<bits).allSatisfy { bit in (address[bit / 8] ^ bytes[bit / 8]) & (0x80 >> UInt8(bit % 8)) == 0 }
        }
    }
}
