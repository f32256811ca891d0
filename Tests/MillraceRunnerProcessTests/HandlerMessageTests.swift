import Foundation
import MillraceCore
import MillraceWire
import Testing

@Suite("Handler messages")
struct HandlerMessageTests {
    @Test("are written as the specification shows them")
    func run() throws {
        let item = RunnerWorkMessage.Item(
            item: 12, job: JobID(high: 0, low: 1), endpoint: "ocr", attempt: 1, parameters: ["language": "en"], input: nil,
            files: [.init(name: "file", filename: "report.pdf", path: "/in-0", mediaType: "application/pdf", bytes: 3)],
            workdir: "/12", checkpoint: nil)
        #expect(
            try MillraceJSON.string(RunnerWorkMessage.run(.init(batch: 7, items: [item]))) == """
                {"batch":7,"items":[{"attempt":1,"checkpoint":null,"endpoint":"ocr","files":[{"bytes":3,"filename":"report.pdf",\
                "mediaType":"application/pdf","name":"file","path":"/in-0"}],"input":null,"item":12,\
                "job":"00000000-0000-0000-0000-000000000001","parameters":{"language":"en"},"workdir":"/12"}],"type":"run"}
                """)
        #expect(try MillraceJSON.string(RunnerControlMessage.shutdown(.init())) == #"{"type":"shutdown"}"#)
    }

    @Test(
        "survive the way there and back",
        arguments: [
            .hello(.init(pid: 4)), .ready(.init(batchMax: 2)), .fatal(.init(message: "m")),
            .progress(.init(item: 1, done: 0.5, total: 2, unit: "pages", message: nil, metrics: ["loss": 0.1])),
            .log(.init(item: nil, level: .warning, message: "x")),
            .checkpoint(.init(item: 1, seq: 2, path: "/c", position: ["epoch": 3])), .pong(.init(seq: 9)),
        ] as [HandlerControlMessage])
    func roundTrip(message: HandlerControlMessage) throws {
        #expect(try MillraceJSON.decode(HandlerControlMessage.self, from: MillraceJSON.encode(message)) == message)
    }

    @Test("tell a result that is null from no result, and ignore fields they do not know")
    func results() throws {
        let null = try MillraceJSON.decode(
            HandlerWorkMessage.self, from: #"{"type":"result","batch":1,"item":2,"json":null,"extra":{}}"#)
        #expect(null == .result(.init(batch: 1, item: 2, json: .null)))
        let none = try MillraceJSON.decode(HandlerWorkMessage.self, from: #"{"type":"result","batch":1,"item":2,"outputs":[]}"#)
        #expect(none == .result(.init(batch: 1, item: 2)))
        #expect(throws: DecodingError.self) { try MillraceJSON.decode(HandlerWorkMessage.self, from: #"{"type":"sing"}"#) }
        #expect(throws: DecodingError.self) { try MillraceJSON.decode(HandlerControlMessage.self, from: #"{"type":"done","batch":1}"#) }
    }
}
