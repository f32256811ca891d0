import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An HTTP server that answers as a test says, and can break off wherever it wants.
public final class FakeServer: Sendable {
    public struct Request: Sendable {
        public var method: String
        /// With the query.
        public var path: String
        public var headers: HTTPHeaders
        public var body: [UInt8]

        public var text: String { String(decoding: body, as: UTF8.self) }
        public subscript(header: String) -> String? { headers.first(name: header) }
    }

    public struct Reply: Sendable {
        public var status: Int
        public var headers: [(String, String)]
        public var body: String
        /// Closes the connection after the body, which then looks cut off.
        public var breaksOff: Bool

        public init(status: Int, headers: [(String, String)] = [], body: String = "", breaksOff: Bool = false) {
            self.status = status
            self.headers = headers
            self.body = body
            self.breaksOff = breaksOff
        }

        public static func json(_ body: String, status: Int = 200, headers: [(String, String)] = []) -> Reply {
            Reply(status: status, headers: [("Content-Type", "application/json")] + headers, body: body)
        }

        public static func problem(_ status: Int, code: String, detail: String = "no", hint: String? = nil) -> Reply {
            let hint = hint.map { #","hint":"\#($0)""# } ?? ""
            let body = #"{"type":"urn:millrace:error:\#(code)","title":"T","status":\#(status),"detail":"\#(detail)","code":"\#(code)"\#(hint)}"#
            return Reply(status: status, headers: [("Content-Type", "application/problem+json")], body: body)
        }

        public static func bytes(_ body: String, type: String, headers: [(String, String)] = []) -> Reply {
            Reply(status: 200, headers: [("Content-Type", type)] + headers, body: body)
        }

        public static func events(_ body: String, breaksOff: Bool = false) -> Reply {
            Reply(status: 200, headers: [("Content-Type", "text/event-stream")], body: body, breaksOff: breaksOff)
        }

        /// No answer at all.
        public static let hangUp = Reply(status: 0, headers: [], body: "", breaksOff: true)
    }

    public typealias Answer = @Sendable (Request) async -> Reply

    private typealias Server = NIOAsyncChannel<NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>, Never>

    public let url: String
    private let recorded: Mutex<[Request]>

    public var requests: [Request] { recorded.withLock { $0 } }

    private init(url: String) {
        self.url = url
        recorded = Mutex([])
    }

    /// Serves on a free port for the time of `body`.
    public static func with<Value: Sendable>(
        _ answer: @escaping Answer, _ body: @Sendable @escaping (FakeServer) async throws -> Value
    ) async throws -> Value {
        let channel: Server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                }
            }
        let server = FakeServer(url: "http://127.0.0.1:\(channel.channel.localAddress!.port!)")
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try? await server.serve(channel, answer) }
            do {
                let value = try await body(server)
                group.cancelAll()
                return value
            } catch {
                group.cancelAll()
                throw error
            }
        }
    }

    private func serve(_ channel: Server, _ answer: @escaping Answer) async throws {
        try await channel.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    group.addTask { try? await self.serve(connection, answer) }
                }
            }
        }
    }

    private func serve(
        _ connection: NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>, _ answer: @escaping Answer
    ) async throws {
        try await connection.executeThenClose { inbound, outbound in
            var request = Request(method: "", path: "", headers: [:], body: [])
            for try await part in inbound {
                switch part {
                case .head(let head):
                    request = Request(method: head.method.rawValue, path: head.uri, headers: head.headers, body: [])
                case .body(let buffer): request.body += Array(buffer.readableBytesView)
                case .end:
                    recorded.withLock { $0.append(request) }
                    let reply = await answer(request)
                    guard reply.status > 0 else { return }
                    try await write(reply, to: outbound)
                    if reply.breaksOff { return }
                }
            }
        }
    }

    private func write(
        _ reply: Reply, to outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    ) async throws {
        var headers = HTTPHeaders(reply.headers)
        if reply.breaksOff { headers.add(name: "Transfer-Encoding", value: "chunked") }
        else if reply.status != 204 { headers.replaceOrAdd(name: "Content-Length", value: "\(reply.body.utf8.count)") }
        try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: .init(statusCode: reply.status), headers: headers)))
        if !reply.body.isEmpty { try await outbound.write(.body(.byteBuffer(ByteBuffer(string: reply.body)))) }
        if !reply.breaksOff { try await outbound.write(.end(nil)) }
    }
}
