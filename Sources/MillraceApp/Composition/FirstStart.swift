import Foundation
import MillraceCore
import MillraceGateway
import MillraceQueue

/// Makes the first API key, so that a new user need not.
struct FirstStart: Sendable {
    static let keyName = "first start"

    let store: any KeyStore
    let settings: Settings
    let data: DataDirectory
    let surroundings: Surroundings

    /// - Returns: the new key on the first start, `nil` on later ones.
    /// - Throws: when the server could be reached by others and nobody has made a key on purpose.
    func run() async throws -> String? {
        guard settings.authentication == .required else { return nil }
        // A worker's key lets nobody submit.
        let keys = try await store.keys().filter { $0.kind == .client }
        if settings.isLoopback { return try await replaceLost(keys) }
        guard keys.isEmpty else { return nil }
        throw MillraceError(
            .invalidSettings, "host is \(settings.host), which others can reach, and there is no API key yet",
            hint: "make one first: millrace keys create --name NAME --data \(settings.dataDirectory)")
    }

    /// Makes the key when there is none, and again when its file is not there: a crash between the two would leave a key
    /// that nobody knows.
    private func replaceLost(_ keys: [KeyRecord]) async throws -> String? {
        let lost = FileManager.default.fileExists(atPath: data.keyFile) ? [] : keys.filter { $0.name == Self.keyName }
        guard keys.isEmpty || !lost.isEmpty else { return nil }
        let apiKeys = APIKeys(store: store, surroundings: surroundings)
        for key in lost { _ = try await apiKeys.revoke(key.id) }
        let key = try await apiKeys.create(name: Self.keyName).key.description
        try data.write(key + "\n", to: "api-key")
        return key
    }
}
