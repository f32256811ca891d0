import Crypto
import Foundation
import HTTPTypes
import MillraceCloud
import MillraceCore

/// Makes and checks addresses that grant one access to one blob for a time: `/v1/blobs/{id}?expires=...&signature=...`.
///
/// The signature is HMAC-SHA256 over method, id and expiry. Give ``url(for:to:validity:)`` to a blob store as its signer. An address for a
/// joined machine says with which key it was granted, and ends with it; one to write ends with the lease too.
public struct BlobURLSigner: Sendable {
    private let key: SymmetricKey
    private let baseURL: String
    private let surroundings: Surroundings

    /// - Parameters:
    ///   - key: at least 32 bytes, the same on all gateways.
    ///   - baseURL: how workers reach the gateway: `http://10.0.0.5:8080`.
    public init(key: [UInt8], baseURL: String, surroundings: Surroundings = .system) {
        self.key = SymmetricKey(data: key)
        self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
        self.surroundings = surroundings
    }

    public func url(for access: BlobAccess, to blob: BlobID, validity: Duration) -> String {
        let expires = (surroundings.now() + validity).milliseconds / 1000
        let code = HMAC<SHA256>.authenticationCode(for: Self.message(access, blob, expires), using: key)
        return "\(baseURL)/v1/blobs/\(blob)?expires=\(expires)&signature=\(code.hexadecimal)"
    }

    /// To whom and for what an address is granted.
    struct Bond: Sendable {
        var key: KeyID
        /// Of the job whose output is written.
        var lease: LeaseToken?
    }

    /// An address without a host: whoever asked knows how the gateway is reached from there.
    func path(for access: BlobAccess, to blob: BlobID, validity: Duration, bond: Bond) -> String {
        let expires = (surroundings.now() + validity).milliseconds / 1000
        let code = HMAC<SHA256>.authenticationCode(for: Self.message(access, blob, expires, bond), using: key)
        return "/v1/blobs/\(blob)?expires=\(expires)&key=\(bond.key)&signature=\(code.hexadecimal)"
    }

    /// - Throws: `forbidden` when the signature is not right or its time has passed.
    func check(_ access: BlobAccess, to blob: BlobID, expires: String?, signature: String?, bond: Bond? = nil) throws {
        guard let expires = expires.flatMap({ Int64($0) }), let signature,
            let code = [UInt8](hexadecimal: signature),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Self.message(access, blob, expires, bond), using: key)
        else {
            throw MillraceError(.forbidden, "the signature of this address is not right\(bond != nil && access == .write ? ", or its lease is lost" : "")")
        }
        guard surroundings.now().milliseconds < expires * 1000 else {
            throw MillraceError(.forbidden, "this address has expired")
        }
    }

    private static func message(_ access: BlobAccess, _ blob: BlobID, _ expires: Int64, _ bond: Bond? = nil) -> Data {
        let bound = bond.map { "\n\($0.key)\n\($0.lease.map { "\($0)" } ?? "-")" } ?? ""
        return Data("\(access == .read ? "GET" : "PUT")\n\(blob)\n\(expires)\(bound)".utf8)
    }
}
