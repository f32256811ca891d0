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
        return "\(baseURL)/v1/blobs/\(blob)?expires=\(expires)&signature=\(Data(code(access, blob, expires)).hexadecimal)"
    }

    /// - Throws: `forbidden` when the signature is not right or its time has passed.
    func check(_ access: BlobAccess, to blob: BlobID, expires: String?, signature: String?) throws {
        guard let expires = expires.flatMap({ Int64($0) }), let signature,
            ConstantTime.equal(signature, Data(code(access, blob, expires)).hexadecimal)
        else { throw MillraceError(.forbidden, "the signature of this address is not right") }
        guard surroundings.now().milliseconds < expires * 1000 else {
            throw MillraceError(.forbidden, "this address has expired")
        }
    }

    private func code(_ access: BlobAccess, _ blob: BlobID, _ expires: Int64) -> HMAC<SHA256>.MAC {
        let method = access == .read ? "GET" : "PUT"
        return HMAC<SHA256>.authenticationCode(for: Data("\(method)\n\(blob)\n\(expires)".utf8), using: key)
    }
}
