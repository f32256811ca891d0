import AsyncHTTPClient
import MillraceCore
import NIOCore
import Synchronization

/// HTTP clients that are bound to one host at one address each, kept while they are used.
final class PinnedClients: Sendable {
    private static let idleMax = 32

    private struct Entry {
        var client: HTTPClient
        var uses = 0
        var lastUse = 0
    }
    private struct State {
        var entries: [CallbackGuard.Target: Entry] = [:]
        var uses = 0
    }
    private let state = Mutex(State())

    /// Lends the client for a target.
    func with<Value: Sendable>(_ target: CallbackGuard.Target, _ operation: (HTTPClient) async throws -> Value) async rethrows -> Value {
        let client = state.withLock { state in
            state.uses += 1
            var entry = state.entries[target] ?? Entry(client: Self.client(for: target))
            entry.uses += 1
            entry.lastUse = state.uses
            state.entries[target] = entry
            return entry.client
        }
        do {
            let value = try await operation(client)
            await giveBack(target)
            return value
        } catch {
            await giveBack(target)
            throw error
        }
    }

    func shutdown() async {
        let clients = state.withLock { state in
            defer { state.entries = [:] }
            return state.entries.values.map(\.client)
        }
        for client in clients { try? await client.shutdown() }
    }

    private func giveBack(_ target: CallbackGuard.Target) async {
        let surplus = state.withLock { state -> HTTPClient? in
            state.entries[target]?.uses -= 1
            let idle = state.entries.filter { $0.value.uses == 0 }
            guard idle.count > Self.idleMax, let oldest = idle.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return nil }
            return state.entries.removeValue(forKey: oldest.key)?.client
        }
        try? await surplus?.shutdown()
    }

    private static func client(for target: CallbackGuard.Target) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.dnsOverride = [target.host: target.address.description]
        configuration.redirectConfiguration = .disallow
        configuration.decompression = .disabled
        configuration.timeout = .init(connect: .seconds(10))
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
}
