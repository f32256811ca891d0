import Crypto
import Foundation
import MillraceCore
import MillraceQueue
import MillraceWire

/// What is sent for a delivery: the same bytes at every try, with headers by Standard Webhooks.
///
/// Source: https://github.com/standard-webhooks/standard-webhooks, version 1.0.
struct WebhookMessage: Sendable, Equatable {
    var url: String
    var headers: [(name: String, value: String)]
    var body: Data

    private struct Envelope: Encodable {
        var type: String
        var timestamp: Timestamp
        var data: JobResource
    }

    init(_ delivery: Delivery, at now: Timestamp, secrets: [WebhookSecret], version: String) throws {
        let job = delivery.snapshot
        let ended = job.finishedAt ?? delivery.createdAt
        let body = try MillraceJSON.encode(Envelope(type: delivery.event, timestamp: ended, data: JobResource(job, now: ended)))
        let seconds = now.milliseconds / 1000
        let signed = Data("\(delivery.id).\(seconds).".utf8) + body
        let signatures = secrets.map { secret in
            "v1," + Data(HMAC<SHA256>.authenticationCode(for: signed, using: SymmetricKey(data: secret.bytes))).base64EncodedString()
        }
        url = delivery.url
        self.body = body
        headers = [
            ("content-type", "application/json"), ("user-agent", "millrace/\(version)"),
            ("webhook-id", "\(delivery.id)"), ("webhook-timestamp", "\(seconds)"),
            ("webhook-signature", signatures.joined(separator: " ")),
        ]
        if let traceparent = job.traceparent { headers.append(("traceparent", traceparent)) }
    }

    static func == (left: Self, right: Self) -> Bool {
        left.url == right.url && left.body == right.body && left.headers.elementsEqual(right.headers, by: ==)
    }
}
