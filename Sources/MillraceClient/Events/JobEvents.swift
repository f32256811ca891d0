import AsyncHTTPClient
import MillraceCore
import MillraceWire
import NIOCore
import NIOHTTP1

/// What happens to a job, as it happens, from the beginning or from a given event on; ends after the final state.
///
/// A broken connection is made anew and the stream goes on behind the last event that arrived: none is missed and none
/// comes twice.
public struct JobEvents: AsyncSequence, Sendable {
    public typealias Element = JobEvent

    let exchange: HTTPExchange
    let job: JobID
    let after: Int64?

    public func makeAsyncIterator() -> Iterator {
        Iterator(exchange: exchange, job: job, last: after)
    }

    public struct Iterator: AsyncIteratorProtocol {
        /// Connections in a row that bring no event before the stream gives up.
        private static let failuresMax = 6

        let exchange: HTTPExchange
        let job: JobID
        var last: Int64?
        private var body: HTTPClientResponse.Body.AsyncIterator?
        private var parser = ServerSentEventParser()
        private var arrived: ArraySlice<JobEvent> = []
        private var failures = 0
        private var isFinal = false

        init(exchange: HTTPExchange, job: JobID, last: Int64?) {
            self.exchange = exchange
            self.job = job
            self.last = last
        }

        public mutating func next() async throws -> JobEvent? {
            while true {
                if let event = arrived.popFirst() { return delivered(event) }
                do {
                    guard try await read() else { return nil }
                } catch {
                    try await recover(from: exchange.fault(error))
                }
            }
        }

        private mutating func delivered(_ event: JobEvent) -> JobEvent {
            last = event.sequence
            failures = 0
            if case .state(let change) = event.detail { isFinal = change.state.isFinal }
            return event
        }

        /// Reads some bytes. `false`: the stream is over.
        private mutating func read() async throws -> Bool {
            if body == nil {
                guard !isFinal, let response = try await connect() else { return false }
                body = response.body.makeAsyncIterator()
                parser = ServerSentEventParser()
            }
            guard let buffer = try await body!.next() else {
                body = nil
                if isFinal { return false }
                throw MillraceClientError.connectionLost(server: exchange.server, reason: "the stream of events ended")
            }
            let events = try parser.append(buffer.readableBytesView).compactMap { try event($0) }
            arrived = events.filter { $0.sequence > last ?? .min }[...]
            return true
        }

        private func connect() async throws -> HTTPClientResponse? {
            var request = HTTPExchange.Request.get("/v1/jobs/\(job)/events")
            request.headers = [("Accept", "text/event-stream")] + (last.map { [("Last-Event-ID", "\($0)")] } ?? [])
            let response = try await exchange.answer(to: request)
            return response.status == .noContent ? nil : response
        }

        private mutating func recover(from error: any Error) async throws {
            body = nil
            failures += 1
            switch error {
            case MillraceClientError.connectionLost where failures < Self.failuresMax,
                MillraceClientError.unreachable where failures < Self.failuresMax && last != nil:
                try await exchange.surroundings.sleep(.milliseconds(parser.retryMilliseconds ?? 1000))
            default: throw error
            }
        }

        private func event(_ event: ServerSentEventParser.Event) throws -> JobEvent? {
            guard let sequence = event.id.flatMap({ Int64($0) }) else { return nil }
            let detail: JobEvent.Detail? =
                switch event.name {
                case "state": .state(try decode(event.data))
                case "progress": .progress(try decode(event.data))
                case "log": .log(try decode(event.data))
                default: nil
                }
            let time: Stamp = try decode(event.data)
            return detail.map { JobEvent(sequence: sequence, job: job, at: time.at, detail: $0) }
        }

        private struct Stamp: Decodable { var at: Timestamp }

        private func decode<Value: Decodable>(_ data: String) throws -> Value {
            do {
                return try MillraceJSON.decode(from: data)
            } catch {
                throw MillraceClientError.unexpectedAnswer(server: exchange.server, status: 200, excerpt: "an event of another shape")
            }
        }
    }
}

extension MillraceClient {
    /// Follows a job.
    /// - Parameter sequence: the last event that is known already; `nil`: from the beginning.
    public func events(of id: JobID, after sequence: Int64? = nil) -> JobEvents {
        JobEvents(exchange: exchange, job: id, after: sequence)
    }
}
