import Foundation
import MillraceCore
import MillraceWire
import NIOCore
import NIOFoundationCompat

/// Cuts a channel's bytes into frames: a 4-byte big-endian length and so many bytes of JSON.
struct HandlerFrameDecoder: ByteToMessageDecoder {
    typealias InboundOut = ByteBuffer

    struct LengthError: Error, CustomStringConvertible {
        var length: UInt32
        var description: String { "a frame of \(length) bytes (1 to \(HandlerProtocol.frameBytesMax) are allowed)" }
    }

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let frame = try Self.frame(from: &buffer) else { return .needMoreData }
        context.fireChannelRead(wrapInboundOut(frame))
        return .continue
    }

    /// Takes the next frame, without its length; `nil` when not all of it is there.
    /// - Throws: ``LengthError``.
    static func frame(from buffer: inout ByteBuffer) throws -> ByteBuffer? {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self) else { return nil }
        guard length >= 1, length <= HandlerProtocol.frameBytesMax else { throw LengthError(length: length) }
        guard buffer.readableBytes >= 4 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        return buffer.readSlice(length: Int(length))
    }
}

enum HandlerFrames {
    /// The first frame of a connection, as far as it says which channel this is.
    struct Greeting: Decodable {
        var type: String
        var channel: HandlerProtocol.Channel
    }

    static func decode<Message: Decodable>(_: Message.Type, from frame: ByteBuffer) throws -> Message {
        try MillraceJSON.decode(Message.self, from: Data(buffer: frame))
    }

    static func encode(_ message: some Encodable, allocator: ByteBufferAllocator) throws -> ByteBuffer {
        let json = try MillraceJSON.encode(message)
        precondition(json.count <= HandlerProtocol.frameBytesMax, "a frame is measured before it is sent")
        var buffer = allocator.buffer(capacity: 4 + json.count)
        buffer.writeInteger(UInt32(json.count))
        buffer.writeBytes(json)
        return buffer
    }
}

/// One of the handler's connections: hands whole frames to the life it belongs to. Lives on the life's event loop.
final class HandlerConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let life: HandlerLife
    private var channel: HandlerProtocol.Channel?

    init(life: HandlerLife) {
        self.life = life
    }

    func channelActive(context: ChannelHandlerContext) {
        life.connected(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        do {
            try take(frame, from: context.channel)
        } catch {
            life.violated("a frame that is not understood: \(String(buffer: frame).prefix(200)) (\(Self.text(error)))")
        }
    }

    private func take(_ frame: ByteBuffer, from socket: any Channel) throws {
        if channel == nil {
            channel = try HandlerFrames.decode(HandlerFrames.Greeting.self, from: frame).channel
            life.named(channel!, socket)
        }
        switch channel! {
        case .control: life.received(try HandlerFrames.decode(HandlerControlMessage.self, from: frame))
        case .work: life.received(try HandlerFrames.decode(HandlerWorkMessage.self, from: frame))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? HandlerFrameDecoder.LengthError { life.violated("\(error)") }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        life.closed(channel, context.channel)
    }

    private static func text(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "\(key.stringValue) is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\(context.codingPath.map(\.stringValue).joined(separator: ".")): \(context.debugDescription)"
        case DecodingError.dataCorrupted(let context): context.debugDescription
        default: "\(error)"
        }
    }
}
