import MillraceCore
import MillraceTestSupport
import MillraceWire
import NIOCore
import Testing

@testable import MillraceRunnerProcess

@Suite struct FrameFuzzTests {
    @Test func `what a handler sends is cut into the same frames however it comes, and each is refused or means the same when written again`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzFrames() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "frames"))") }
    }
}

private func fuzzFrames() throws {
    let messages = [
        #"{"type":"hello","channel":"control","protocol":1,"pid":4}"#, #"{"type":"ready","batchMax":2}"#,
        #"{"type":"progress","item":1,"done":0.5,"total":2,"unit":"pages","metrics":{"loss":0.1}}"#,
        #"{"type":"log","item":null,"level":"warning","message":"x"}"#, #"{"type":"checkpoint","item":1,"seq":2,"path":"/c","position":{"epoch":3}}"#,
        #"{"type":"result","batch":1,"item":2,"json":null,"outputs":[{"name":"a","path":"b","mediaType":"text/plain"}]}"#,
        #"{"type":"error","batch":1,"item":2,"code":"x","message":"y","retryable":true,"retryAfterSeconds":1.5}"#, #"{"type":"done","batch":1}"#,
    ]
    func framed(_ text: String) -> [UInt8] { withUnsafeBytes(of: UInt32(text.utf8.count).bigEndian) { Array($0) } + text.utf8 }
    let samples = messages.map(framed) + [messages.flatMap(framed)]
    let tokens = ["\"type\":\"error\",", "\"retryAfterSeconds\":1e308,", "null", "-1", "1e400", "9223372036854775807", "{", "}", "\u{0}\u{0}\u{0}\u{2}{}", "\"item\":"]
    try Fuzzing("frames", samples: samples, tokens: tokens, inputs: 8_000).run { input, random in
        let whole = frames(of: input) { input.count }
        guard whole == frames(of: input, pieces: { 1 + Int(random.next() % 20) }) else { throw Fuzzing.Finding("in pieces there are other frames") }
        for frame in whole.frames {
            try look(at: HandlerControlMessage.self, frame)
            try look(at: HandlerWorkMessage.self, frame)
            _ = try? HandlerFrames.decode(HandlerFrames.Greeting.self, from: frame)
        }
    }
}

private func look<Message: Codable & Equatable>(at type: Message.Type, _ frame: ByteBuffer) throws {
    let message: Message
    do { message = try HandlerFrames.decode(type, from: frame) } catch is DecodingError { return }
    let again = try MillraceJSON.decode(type, from: try MillraceJSON.encode(message))
    guard again == message else { throw Fuzzing.Finding("\(message) is \(again) when written and read") }
}

private struct Frames: Equatable {
    var frames: [ByteBuffer] = []
    var isRefused = false
}

private func frames(of input: [UInt8], pieces: () -> Int) -> Frames {
    var (buffer, rest, found) = (ByteBuffer(), input[...], Frames())
    do {
        while !rest.isEmpty {
            let piece = rest.prefix(max(1, pieces()))
            buffer.writeBytes(piece)
            rest = rest.dropFirst(piece.count)
            while let frame = try HandlerFrameDecoder.frame(from: &buffer) { found.frames.append(frame) }
        }
    } catch {
        found.isRefused = true
    }
    return found
}
