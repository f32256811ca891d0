import MillraceCore
import MillraceGateway
import MillraceQueue

/// Makes the first API key, so that a new user need not.
struct FirstStart: Sendable {
    let store: any Store
    let settings: Settings
    let data: DataDirectory
    let surroundings: Surroundings

    /// - Returns: the new key on the first start, `nil` on later ones.
    /// - Throws: when the server could be reached by others and nobody has made a key on purpose.
    func run() async throws -> String? {
        guard settings.authentication == .required, try await store.keys().isEmpty else { return nil }
        guard settings.isLoopback else {
            throw MillraceError(
                .invalidSettings, "host is \(settings.host), which others can reach, and there is no API key yet",
                hint: "make one first: millrace keys create --name NAME --data \(settings.dataDirectory)")
        }
        let key = try await APIKeys(store: store, surroundings: surroundings).create(name: "first start").key.description
        try data.write(key + "\n", to: "api-key")
        return key
    }
}
