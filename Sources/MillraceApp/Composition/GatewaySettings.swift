import Foundation
import MillraceCore
import MillraceGateway

/// What the gateway is told, made of the settings and the data directory's secrets.
struct GatewaySettings: Sendable {
    let settings: Settings
    let data: DataDirectory
    let startFailures: StartFailures
    let joined: JoinedFleet
    let surroundings: Surroundings

    func configuration() throws -> GatewayConfiguration {
        let webhookSecret = try settings.webhookSecret ?? data.secret("webhook-secret") { "whsec_" + randomBytes().base64EncodedString() }
        let blobURLKey = try data.secret("blob-url-key") { randomBytes().base64EncodedString() }
        guard let key = Data(base64Encoded: blobURLKey), key.count >= 32 else {
            throw MillraceError(.invalidSettings, "\(data.path)/blob-url-key is damaged", hint: "delete it; signed URLs made before stop working")
        }
        var configuration = GatewayConfiguration(
            host: settings.host, port: settings.port, workerSocketPath: data.socket, endpoints: settings.endpoints,
            authentication: settings.authentication == .required ? .required : .none,
            webhooks: WebhookSettings(secrets: [try WebhookSecret(webhookSecret)], allowedHosts: settings.webhookAllowedHosts),
            blobURLKey: Array(key), version: MillraceVersion.current, effectiveSettings: EffectiveSettings(settings: settings, data: data).json)
        let onJoined = Set(settings.endpoints.filter { $0.fleet == .joined }.map(\.name))
        configuration.startProblem = { [startFailures, joined] endpoint in
            startFailures.problem(of: endpoint) ?? (onJoined.contains(endpoint) ? joined.shortage(of: endpoint) : nil)
        }
        configuration.tls = settings.tls
        configuration.leaseDuration = settings.lease
        // A cancellation must be seen within a second, and several heartbeats must fit into a lease.
        configuration.heartbeat = min(.milliseconds(500), settings.lease / 4)
        return configuration
    }

    private func randomBytes() -> Data {
        var bytes = Data()
        for _ in 0..<4 { withUnsafeBytes(of: surroundings.random()) { bytes.append(contentsOf: $0) } }
        return bytes
    }
}

/// The version of this build.
public enum MillraceVersion {
    public static let current = "0.1.0"
}

/// The settings in force, as `/health` shows them: without secrets.
struct EffectiveSettings {
    let settings: Settings
    let data: DataDirectory

    var json: JSONValue {
        [
            "host": .string(settings.host), "port": .integer(Int64(settings.port)), "data": .string(data.path),
            "tls": settings.tls.map { ["certificate": .string($0.certificate), "key": .string($0.key)] } ?? .null,
            "auth": .string(settings.authentication.rawValue), "logLevel": .string(settings.logLevel),
            "lease": .string(Quantity.shown(settings.lease)), "python": settings.python.map { .string($0) } ?? .null,
            "onnxruntime": settings.onnxRuntime.map { .string($0) } ?? .null, "threads": .integer(Int64(settings.threads)),
            "webhooks": [
                "secret": "(redacted)", "allowedHosts": .array(settings.webhookAllowedHosts.map { .string($0) }),
            ],
            "file": settings.file.map { .string($0) } ?? .null,
            "endpoints": .object(Dictionary(uniqueKeysWithValues: settings.endpoints.map { ($0.name, Self.json(of: $0)) })),
        ]
    }

    private static func json(of endpoint: EndpointConfiguration) -> JSONValue {
        [
            "model": .string(endpoint.modelDirectory), "modelVersion": .string(endpoint.modelVersion),
            "runner": .string(endpoint.manifest.runner.rawValue), "fleet": .string(endpoint.fleet.rawValue),
            "batching": [
                "itemsMax": .integer(Int64(endpoint.batching.itemsMax)),
                "costMax": endpoint.batching.costMax.map { .integer(Int64($0)) } ?? .null,
                "waitMax": .string(Quantity.shown(endpoint.batching.waitMax)),
            ],
            "retry": [
                "attemptsMax": .integer(Int64(endpoint.retry.attemptsMax)), "crashesMax": .integer(Int64(endpoint.retry.crashesMax)),
                "backoffBase": .string(Quantity.shown(endpoint.retry.backoffBase)), "backoffMax": .string(Quantity.shown(endpoint.retry.backoffMax)),
            ],
            "limits": [
                "bytesMax": .integer(endpoint.limits.bytesMax), "filesMax": .integer(Int64(endpoint.limits.filesMax)),
                "pagesMax": .integer(Int64(endpoint.limits.pagesMax)), "pixelsMax": .integer(endpoint.limits.pixelsMax),
                "rowsMax": .integer(Int64(endpoint.limits.rowsMax)),
            ],
            "scaling": [
                "min": .integer(Int64(endpoint.scaling.min)), "max": .integer(Int64(endpoint.scaling.max)),
                "idle": .string(Quantity.shown(endpoint.scaling.idle)), "drain": .string(Quantity.shown(endpoint.scaling.drain)),
                "policy": ["targetWait": .string(Quantity.shown(endpoint.scaling.targetWait))],
            ],
            "runLimit": .string(Quantity.shown(endpoint.runLimit)), "retention": .string(Quantity.shown(endpoint.retention)),
            "checkpointInterval": .string(Quantity.shown(endpoint.checkpointInterval)),
            "timeToLive": endpoint.timeToLive.map { .string(Quantity.shown($0)) } ?? .null,
            "deadline": endpoint.deadline.map { .string(Quantity.shown($0)) } ?? .null,
            "retentionMax": endpoint.retentionMax.map { .integer(Int64($0)) } ?? .null,
            "quotas": ["endpoint": json(of: endpoint.quotas.endpoint), "tenant": json(of: endpoint.quotas.tenant)],
        ]
    }

    private static func json(of quota: Quota) -> JSONValue {
        [
            "queuedMax": quota.queuedMax.map { .integer(Int64($0)) } ?? .null,
            "runningMax": quota.runningMax.map { .integer(Int64($0)) } ?? .null,
            "rate": quota.rate.map { .string(Quantity.shown($0)) } ?? .null,
            "burst": quota.rate.map { .integer(Int64($0.burst)) } ?? .null,
        ]
    }
}
