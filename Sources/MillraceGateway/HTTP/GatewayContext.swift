import Hummingbird
import Logging
import NIOCore

/// What the doors know of a request beside the request itself.
struct GatewayContext: RequestContext {
    typealias Source = ApplicationRequestContextSource

    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    /// Said in `X-Request-Id` and in every log line about this request.
    var requestID = ""
    var principal = Principal.anyone

    init(source: Source) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

/// In whose name a request acts.
struct Principal: Sendable, Equatable {
    /// Jobs, uploads and idempotency keys of different tenants never meet.
    var tenant: String
    /// What a worker's key allows; `nil` for clients, and for workers of this machine.
    var worker: WorkerAccess?

    /// Where no key is asked for.
    static let anyone = Principal(tenant: "default")
}
