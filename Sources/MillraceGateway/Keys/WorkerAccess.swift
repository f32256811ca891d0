import MillraceCore
import MillraceQueue

/// What the holder of a worker's key may do. Workers of this machine come through the Unix socket and have none.
struct WorkerAccess: Sendable, Equatable {
    var key: KeyID
    /// `nil`: all.
    var endpoints: Set<String>?

    init(key: KeyID, endpoints: Set<String>? = nil) {
        self.key = key
        self.endpoints = endpoints
    }

    init(_ record: KeyRecord) {
        self.init(key: record.id, endpoints: record.endpoints.map(Set.init))
    }

    func serves(_ endpoint: String) -> Bool { endpoints?.contains(endpoint) ?? true }

    /// - Throws: `forbidden`.
    func check(_ endpoint: String) throws {
        guard serves(endpoint) else {
            throw MillraceError(.forbidden, "this worker key is not for the endpoint \"\(endpoint)\"", hint: "millrace keys create --worker --endpoint \(endpoint)")
        }
    }

    /// Whether it may act as this worker. What runs beside the server is not for it: a server ends such processes by their number.
    /// - Throws: `forbidden`.
    func check(_ endpoint: String, instance: String) throws {
        try check(endpoint)
        guard !instance.hasPrefix("local:") else {
            throw MillraceError(.forbidden, "workers beside the server come through its socket, not with a worker key")
        }
    }
}
