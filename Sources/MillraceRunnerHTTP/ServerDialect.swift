/// What a model server speaks.
public enum ServerDialect: Sendable, Equatable {
    /// `GET /ping` and `POST /invocations`: the contract of SageMaker's hosting.
    /// Source: "Custom Inference Code with Hosting Services", Amazon SageMaker AI Developer Guide.
    case invocations
    /// `GET /v2/health/ready` and `POST /v2/models/{model}/infer`: the HTTP form of the Open Inference Protocol, version 2,
    /// which KServe, Triton, TorchServe, MLServer and OpenVINO Model Server speak.
    /// Source: https://github.com/kserve/open-inference-protocol
    case openInference(model: String, version: String?)

    /// What is asked, in this order, to learn whether the server is ready; each must be answered with a status from 200 to 299.
    var probes: [String] {
        switch self {
        case .invocations: ["/ping"]
        case .openInference: ["/v2/health/ready", modelPath + "/ready"]
        }
    }

    /// Where work goes.
    var workPath: String {
        switch self {
        case .invocations: "/invocations"
        case .openInference: modelPath + "/infer"
        }
    }

    private var modelPath: String {
        guard case .openInference(let model, let version) = self else { return "" }
        return "/v2/models/\(Self.escaped(model))" + (version.map { "/versions/\(Self.escaped($0))" } ?? "")
    }

    /// A name as one part of a path (RFC 3986, `pchar`).
    private static func escaped(_ name: String) -> String {
        name.utf8.reduce(into: "") { path, byte in
            let scalar = Unicode.Scalar(byte)
            let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "-._~".unicodeScalars.contains(scalar))
            path += isPlain ? String(Character(scalar)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }
}
