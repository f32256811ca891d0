import HTTPTypes
import Hummingbird
import MillraceCore
import MillraceWire

/// `GET /v1/worker/models/{version}` and its files: how joined machines fetch models.
struct ModelRoutes: Sendable {
    let endpoints: EndpointDirectory
    let shelf = ModelShelf()
    let answer: BlobAnswer

    func add(to doors: inout Doors) {
        doors.get("/v1/worker/models/:version", .worker) { try await list($0, $1) }
        doors.get("/v1/worker/models/:version/files/:digest", .worker) { try await give($0, $1) }
    }

    private func list(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        return try .json(try await found(context).listing)
    }

    private func give(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let (folder, listing) = try await found(context)
        // What is asked for is looked up in the list, and never part of a path.
        let digest = try context.parameters.require("digest")
        guard let file = listing.files.first(where: { $0.sha256 == digest }) else { throw ModelShelf.unknown }
        return try await answer.response(
            to: request, with: .init(path: "\(folder)/\(file.path)", bytes: file.bytes, sha256: file.sha256), filename: nil)
    }

    /// Only models of endpoints that the key is for.
    private func found(_ context: GatewayContext) async throws -> (folder: String, listing: ModelListing) {
        let version = try context.parameters.require("version")
        let access = context.principal.worker
        guard !version.isEmpty,
            let endpoint = endpoints.all.first(where: { $0.modelVersion == version && access?.endpoints?.contains($0.name) ?? true })
        else { throw ModelShelf.unknown }
        return (endpoint.modelDirectory, try await shelf.listing(of: endpoint.modelDirectory, version: version))
    }
}
