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
        let (version, folder) = try model(context)
        return try .json(try await shelf.listing(of: folder, version: version))
    }

    private func give(_ request: Request, _ context: GatewayContext) async throws -> Response {
        try QueryItems(request).allow()
        let (version, folder) = try model(context)
        // What is asked for is looked up in the list, and never part of a path.
        let file = try await shelf.file(try context.parameters.require("digest"), of: folder, version: version)
        return try await answer.response(
            to: request, with: .init(path: "\(folder)/\(file.path)", bytes: file.bytes, sha256: file.sha256), filename: nil)
    }

    /// Only models of endpoints that the key is for.
    private func model(_ context: GatewayContext) throws -> (version: String, folder: String) {
        let version = try context.parameters.require("version")
        let access = context.principal.worker
        guard !version.isEmpty,
            let endpoint = endpoints.all.first(where: { $0.modelVersion == version && access?.serves($0.name) ?? true })
        else { throw ModelShelf.unknown }
        return (version, endpoint.modelDirectory)
    }
}
