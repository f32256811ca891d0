import Crypto
import Foundation
import HTTPTypes
import MillraceCloud
import MillraceCore

/// Makes and checks addresses that grant one access to one blob for a time: `/v1/blobs/{id}?expires=...&signature=...`.
///
/// The signature is HMAC-SHA256 over method, id and expiry. Give ``url(for:to:validity:)`` to a blob store as its signer.
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

    /// - Throws: `forbidden` when the signature is not right or its time has passed.
    func check(_ access: BlobAccess, to blob: BlobID, expires: String?, signature: String?) throws {
        guard let expires = expires.flatMap({ Int64($0) }), let signature,
            let code = [UInt8](hexadecimal: signature),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Self.message(access, blob, expires), using: key)
        else { throw MillraceError(.forbidden, "the signature of this address is not right") }
        guard surroundings.now().milliseconds < expires * 1000 else {
            throw MillraceError(.forbidden, "this address has expired")
        }
    }

    private static func message(_ access: BlobAccess, _ blob: BlobID, _ expires: Int64) -> Data {
        Data("\(access == .read ? "GET" : "PUT")\n\(blob)\n\(expires)".utf8)
    }
}
