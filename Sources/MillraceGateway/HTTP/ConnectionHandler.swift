import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// What a connection needs beside requests and answers.
///
/// - A client that asks for `100 Continue` gets it, or it would hold its body back for a second.
/// - After an answer with `Connection: close` the connection is closed, but not at once: while the client still sends, a
///   hard close would destroy the answer on its way. Our side is shut, what comes is dropped, and after a moment it ends.
/// - A connection too many is closed.
/// - A connection whose first request does not come is closed.
/// - A wait that nobody waits for any more is told so.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    static let lingering: TimeAmount = .seconds(2)

    /// Opens when the client has closed its side.
    let hangup = Latch<Void>()
    private var requestsOpen = 0
    private var closesAfterAnswer = false
    private let firstRequestTimeout: TimeAmount?
    private var patience: Scheduled<Void>?

    private let room: ConnectionRoom?
    private var isCounted = false

    init(room: ConnectionRoom?, firstRequestTimeout: TimeAmount?) {
        self.room = room
        self.firstRequestTimeout = firstRequestTimeout
    }

    func channelActive(context: ChannelHandlerContext) {
        isCounted = room?.enter() ?? false
        context.fireChannelActive()
        if room != nil, !isCounted { context.close(promise: nil) }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        patience = firstRequestTimeout.map { channel.eventLoop.scheduleTask(in: $0) { channel.close(promise: nil) } }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        patience?.cancel()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) {
            patience?.cancel()
            requestsOpen += 1
            if requestsOpen == 1, head.headerFields[.expect]?.lowercased() == "100-continue" {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            closesAfterAnswer = head.headerFields[.connection] == "close"
        case .body:
            break
        case .end:
            requestsOpen -= 1
            if closesAfterAnswer { return finish(context, last: data, promise: promise) }
        }
        context.write(data, promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { hangup.open() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        hangup.open()
        if isCounted { room?.leave() }
        isCounted = false
        context.fireChannelInactive()
    }

    private func finish(_ context: ChannelHandlerContext, last: NIOAny, promise: EventLoopPromise<Void>?) {
        let channel = context.channel
        context.writeAndFlush(last, promise: promise)
        channel.close(mode: .output, promise: nil)
        channel.eventLoop.scheduleTask(in: Self.lingering) { channel.close(promise: nil) }
    }
}
