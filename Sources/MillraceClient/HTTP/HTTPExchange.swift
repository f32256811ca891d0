import AsyncHTTPClient
import Foundation
import MillraceCore
import MillraceWire
import NIOCore
import NIOFoundationCompat
import NIOHTTP1

/// Asks and hears the answer: addresses, the key, errors, and trying again.
struct HTTPExchange: Sendable {
    /// A request that can be made again for each try.
    struct Request: Sendable {
        var method: HTTPMethod
        var path: String
        var query: [(String, String)] = []
        var headers: [(String, String)] = []
        var body: (@Sendable () throws -> HTTPClientRequest.Body)?
        /// Whether a second arrival does no harm.
        var isRepeatable = true

        init(_ method: HTTPMethod, _ path: String, isRepeatable: Bool = true) {
            self.method = method
            self.path = path
            self.isRepeatable = isRepeatable
        }

        static func get(_ path: String, query: [(String, String)] = []) -> Request {
            var request = Request(.GET, path)
            request.query = query
            return request
        }
    }

    /// The client of the whole process, never shut down. It does not dial again and again when nobody listens.
    static let shared: HTTPClient = {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10), read: .seconds(90)))
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    private static let triesMax = 4
    private static let answerBytesMax = 64 << 20

    let http: HTTPClient
    let server: String
    let key: String?
    let surroundings: Surroundings

    func json<Value: Decodable>(_ request: Request, as type: Value.Type = Value.self) async throws -> Value {
        let response = try await answer(to: request)
        do {
            return try MillraceJSON.decode(Value.self, from: Data(buffer: try await response.body.collect(upTo: Self.answerBytesMax)))
        } catch is DecodingError {
            throw MillraceClientError.unexpectedAnswer(server: server, status: Int(response.status.code), excerpt: "JSON of another shape")
        } catch {
            throw fault(error)
        }
    }

    /// A good answer, its body still to be read. Tries again when the connection broke or the server is not ready.
    func answer(to request: Request) async throws -> HTTPClientResponse {
        var tries = 1
        while true {
            do {
                let response = try await http.execute(try prepared(request), deadline: .distantFuture)
                if (200..<300).contains(response.status.code) { return response }
                let problem = try await problem(of: response)
                guard isPassing(response), (problem as? ProblemDetails)?.code != "endpoint_draining", request.isRepeatable, tries < Self.triesMax
                else { throw problem }
                try await surroundings.sleep(pause(after: tries, response))
            } catch {
                let fault = fault(error)
                guard case MillraceClientError.connectionLost = fault, request.isRepeatable, tries < Self.triesMax else { throw fault }
                try await surroundings.sleep(pause(after: tries, nil))
            }
            tries += 1
        }
    }

    private func prepared(_ request: Request) throws -> HTTPClientRequest {
        var prepared = HTTPClientRequest(url: server + request.path + Self.query(request.query))
        prepared.method = request.method
        prepared.headers.add(name: "User-Agent", value: "millrace-swift")
        prepared.headers.add(name: "Accept", value: "*/*")
        if let key { prepared.headers.add(name: "Authorization", value: "Bearer \(key)") }
        for (name, value) in request.headers { prepared.headers.replaceOrAdd(name: name, value: value) }
        prepared.body = try request.body?()
        return prepared
    }

    private static func query(_ items: [(String, String)]) -> String {
        items.isEmpty ? "" : "?" + items.map { "\($0)=\(escaped($1))" }.joined(separator: "&")
    }

    /// Percent-encoded for a query's value or one component of a path.
    static func escaped(_ text: String) -> String {
        let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return text.addingPercentEncoding(withAllowedCharacters: plain) ?? ""
    }

    /// Whether it makes sense to ask again soon.
    private func isPassing(_ response: HTTPClientResponse) -> Bool {
        [.serviceUnavailable, .tooManyRequests, .badGateway].contains(response.status) && Self.asked(response) ?? .zero <= Self.pauseMax
    }

    private static let pauseMax: Duration = .seconds(10)

    /// How long the server wants a client to stay away.
    private static func asked(_ response: HTTPClientResponse) -> Duration? {
        response.headers.first(name: "Retry-After").flatMap { Int($0) }.map { .seconds($0) }
    }

    private func pause(after tries: Int, _ response: HTTPClientResponse?) -> Duration {
        min(response.flatMap(Self.asked) ?? .milliseconds(200 << (tries - 1)), Self.pauseMax)
    }

    private func problem(of response: HTTPClientResponse) async throws -> any Error {
        let status = Int(response.status.code)
        let body = Data(buffer: try await response.body.collect(upTo: 1 << 20))
        if let problem = try? MillraceJSON.decode(ProblemDetails.self, from: body) { return problem }
        let excerpt = String(decoding: body.prefix(200), as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
        return MillraceClientError.unexpectedAnswer(server: server, status: status, excerpt: String(excerpt))
    }
}
