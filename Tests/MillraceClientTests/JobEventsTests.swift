import MillraceCore
import MillraceFakeServer
import Synchronization
import Testing

@testable import MillraceClient

@Suite("The events of a job", .timeLimit(.minutes(1)))
struct JobEventsTests {
    static let queued = SampleJob.event(1, "state", #""state":"queued","attempt":0,"reason":"submitted""#)
    static let progress = SampleJob.event(2, "progress", #""done":3,"total":7,"unit":"pages""#)
    static let log = SampleJob.event(3, "log", #""level":"info","message":"hello""#)
    static let done = SampleJob.event(4, "state", #""state":"succeeded","attempt":1,"reason":"completed""#)

    @Test("come in order and end with the final state, over as many connections as it takes")
    func reconnects() async throws {
        let connections = Atomic(0)
        let reply: FakeServer.Answer = { _ in
            switch connections.wrappingAdd(1, ordering: .relaxed).newValue {
            case 1: .events("retry: 10\n\n: hello\n\n" + Self.queued + Self.progress + "id: 3\nevent: lo", breaksOff: true)
            case 2: .hangUp
            default: .events(Self.log + Self.done)
            }
        }
        try await FakeServer.with(reply) { server in
            let client = MillraceClient(baseURL: server.url, surroundings: MillraceClientTests.surroundings)
            var events: [JobEvent] = []
            for try await event in client.events(of: SampleJob.id) { events.append(event) }
            #expect(events.map(\.sequence) == [1, 2, 3, 4])
            #expect(events[1].detail == .progress(JobProgress(done: 3, total: 7, unit: "pages")))
            #expect(events[2].detail == .log(LogLine(level: .info, message: "hello")))
            #expect(server.requests.map { $0["Last-Event-ID"] } == [nil, "2", "2"])
        }
    }

    @Test("end at once when the server has nothing more to say")
    func nothingMore() async throws {
        try await FakeServer.with({ _ in .init(status: 204) }) { server in
            let client = MillraceClient(baseURL: server.url)
            var count = 0
            for try await _ in client.events(of: SampleJob.id, after: 9) { count += 1 }
            #expect(count == 0)
        }
    }

    @Test("give up a server that brings none, connection after connection")
    func givesUp() async throws {
        try await FakeServer.with({ _ in .events("", breaksOff: true) }) { server in
            let client = MillraceClient(baseURL: server.url, surroundings: MillraceClientTests.surroundings)
            await #expect(throws: MillraceClientError.self) {
                for try await _ in client.events(of: SampleJob.id) {}
            }
            #expect(server.requests.count == 6)
        }
    }

    @Test("are parsed however their bytes are cut, with any line ends")
    func parser() throws {
        let text = "event: a\r\nid: 7\r\ndata: one\r\ndata:two\r\n\r\n: note\rdata: x\r\rid: 9\n\nretry: 50\ndata: caf\u{E9}\n\n"
        for size in 1...text.utf8.count {
            var parser = ServerSentEventParser()
            var events: [ServerSentEventParser.Event] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                events += try parser.append(rest.prefix(size))
                rest = rest.dropFirst(size)
            }
            #expect(events == [.init(name: "a", id: "7", data: "one\ntwo"), .init(data: "x"), .init(data: "caf\u{E9}")])
            #expect(parser.retryMilliseconds == 50)
        }
    }
}
