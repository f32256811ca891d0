import HTTPTypes
import Hummingbird
import MillraceCore

/// The routes: which method and path leads where, and whether a key is asked for.
///
/// `GET` answers `HEAD` too, and a path that knows a method not answers `405` with the ones it knows.
struct Doors {
    typealias Handler = @Sendable (Request, GatewayContext) async throws -> Response

    enum Lock: Sendable {
        /// For everybody.
        case open
        /// For holders of a key, where keys are asked for.
        case key
        /// For workers: holders of a worker's key, and whoever comes through the Unix socket.
        case worker
    }

    private struct Door {
        var lock: Lock
        var handler: Handler
    }
    private var paths: [(path: String, methods: [HTTPRequest.Method: Door])] = []

    mutating func add(_ method: HTTPRequest.Method, _ path: String, _ lock: Lock = .key, _ handler: @escaping Handler) {
        let index = paths.firstIndex { $0.path == path } ?? paths.endIndex
        if index == paths.endIndex { paths.append((path, [:])) }
        precondition(paths[index].methods[method] == nil, "\(method) \(path) is there twice")
        paths[index].methods[method] = Door(lock: lock, handler: handler)
    }

    mutating func get(_ path: String, _ lock: Lock = .key, _ handler: @escaping Handler) { add(.get, path, lock, handler) }
    mutating func post(_ path: String, _ lock: Lock = .key, _ handler: @escaping Handler) { add(.post, path, lock, handler) }
    mutating func put(_ path: String, _ lock: Lock = .key, _ handler: @escaping Handler) { add(.put, path, lock, handler) }

    func router(keeper: Doorkeeper, surroundings: Surroundings) -> Router<GatewayContext> {
        let router = Router(context: GatewayContext.self)
        router.add(middleware: RequestLogMiddleware(surroundings: surroundings))
        router.add(middleware: ProblemMiddleware())
        for (path, methods) in paths {
            for (method, door) in methods { router.on(RouterPath(path), method: method, use: Self.guarded(door, by: keeper)) }
            if let door = methods[.get] {
                router.on(RouterPath(path), method: .head) { try await Self.guarded(door, by: keeper)($0, $1).createHeadResponse() }
            }
            let known = Set(methods.keys).union(methods[.get] == nil ? [] : [.head])
            for method in Self.refusable.subtracting(known) {
                router.on(RouterPath(path), method: method, use: Self.refusal(of: method, known: known))
            }
        }
        return router
    }

    private static let refusable: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .patch, .delete, .options]

    private static func guarded(_ door: Door, by keeper: Doorkeeper) -> Handler {
        guard door.lock != .open else { return door.handler }
        return { request, context in
            var context = context
            context.principal = try await keeper.principal(of: request, at: door.lock)
            return try await door.handler(request, context)
        }
    }

    private static func refusal(of method: HTTPRequest.Method, known: Set<HTTPRequest.Method>) -> Handler {
        let allowed = known.map(\.rawValue).sorted().joined(separator: ", ")
        return { _, _ in
            throw Problem(.methodNotAllowed, "\(method.rawValue) is not possible here", hint: "possible: \(allowed)", headers: [.allow: allowed])
        }
    }
}
