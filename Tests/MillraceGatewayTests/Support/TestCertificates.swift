import Foundation

@testable import MillraceGateway

/// Certificates for 127.0.0.1 that sign themselves, made for these tests alone and valid for a hundred years.
enum TestCertificate {
    case one, two

    var certificate: String {
        switch self {
        case .one: Self.certificateOne
        case .two: Self.certificateTwo
        }
    }

    /// Puts certificate and key where the server looks for them.
    func write(to files: TLSFiles) throws {
        try certificate.write(toFile: files.certificate, atomically: true, encoding: .utf8)
        try (self == .one ? Self.keyOne : Self.keyTwo).write(toFile: files.key, atomically: true, encoding: .utf8)
    }

    private static let certificateOne = """
        -----BEGIN CERTIFICATE-----
        MIIBjjCCATWgAwIBAgIUV1Q6JaTKzEe6J5jv1y4gI+R5uNswCgYIKoZIzj0EAwIw
        DjEMMAoGA1UEAwwDb25lMCAXDTI2MTEyODIyMzA0N1oYDzIxMjYxMTA0MjIzMDQ3
        WjAOMQwwCgYDVQQDDANvbmUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASDoZIo
        /nFtEmvUWu8zlPB9p2sxlwXihv9NfIt2rdYLPcms+x0SPeuB5Xg3ojsxn7epHFLi
        dtjkSmC7FioONqako28wbTAdBgNVHQ4EFgQUll89PF9xwlUqNbCaYBSXocBgv3Aw
        HwYDVR0jBBgwFoAUll89PF9xwlUqNbCaYBSXocBgv3AwDwYDVR0TAQH/BAUwAwEB
        /zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZIzj0EAwIDRwAwRAIg
        PMbnBiJLQt04XvAP5/2z5w8qFnGqDBOcizYmH1926C0CIB2bBnM+lIMVwvcJNdyD
        2DsnheZ3/rTZg8IQmC7PJwVL
        -----END CERTIFICATE-----
        """

    private static let keyOne = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBR+n2nxftGxceGjF
        Fu7OQF2fzAt0gJ4lPkqOugpXY62hRANCAASDoZIo/nFtEmvUWu8zlPB9p2sxlwXi
        hv9NfIt2rdYLPcms+x0SPeuB5Xg3ojsxn7epHFLidtjkSmC7FioONqak
        -----END PRIVATE KEY-----
        """

    private static let certificateTwo = """
        -----BEGIN CERTIFICATE-----
        MIIBjzCCATWgAwIBAgIUJXTL/6hOofrx2N01DmHyE9p/Rr0wCgYIKoZIzj0EAwIw
        DjEMMAoGA1UEAwwDdHdvMCAXDTI2MTEyODIyMzA0N1oYDzIxMjYxMTA0MjIzMDQ3
        WjAOMQwwCgYDVQQDDAN0d28wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATruHu0
        DWxT9huXf+9QkUj8N/B2pa2q8vCwTMDUiQawQOl+KyB2Tg7417uWLD7lKC8lk2eR
        YpRPCmmSKAlidkzho28wbTAdBgNVHQ4EFgQU8/jl+IcrB70XgRhS3Su5lNdXZEIw
        HwYDVR0jBBgwFoAU8/jl+IcrB70XgRhS3Su5lNdXZEIwDwYDVR0TAQH/BAUwAwEB
        /zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZIzj0EAwIDSAAwRQIh
        ANGDfDzIs3a88lew84y/z7YzEKUqkOR1Sua1YNYBL7oJAiAnRFdx9MwbFJcqF6Gb
        B5HpJHkAzd7NGFr0saG1izCBrA==
        -----END CERTIFICATE-----
        """

    private static let keyTwo = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqQ+HCX2FSjyoRiBC
        T3KfTi5ASgrERuoqOuPx3mNRy8mhRANCAATruHu0DWxT9huXf+9QkUj8N/B2pa2q
        8vCwTMDUiQawQOl+KyB2Tg7417uWLD7lKC8lk2eRYpRPCmmSKAlidkzh
        -----END PRIVATE KEY-----
        """
}
