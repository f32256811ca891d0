import Foundation
import MillraceCore
import MillraceWire
import Testing

/// The fast form of every message says and reads what its `Codable` form does.
@Suite struct FastMessageTests {
    @Test(arguments: 0..<200)
    func `writes and reads as Codable does`(seed: Int) throws {
        var messages = RandomMessages(seed: UInt64(seed))
        try compare(messages.leaseRequest())
        try compare(messages.leaseResponse())
        try compare(messages.heartbeatRequest())
        try compare(messages.heartbeatResponse())
        try compare(messages.settleRequest())
        try compare(messages.settleResponse())
        try compare(messages.jobResource())
        try compare(messages.value())
    }

    private func compare<Message: FastJSON & Equatable>(_ message: Message) throws {
        let slow = try Slow(message)
        let fast = try MillraceJSON.fastEncode(message)
        #expect(String(decoding: fast, as: UTF8.self) == String(decoding: slow.bytes, as: UTF8.self))
        #expect(try MillraceJSON.fastDecode(Message.self, from: fast) == message)
        #expect(try JSONDecoder().decode(Message.self, from: Data(fast)) == message)
        // Spaces, other orders and what is unknown change nothing.
        let loose = try JSONSerialization.data(
            withJSONObject: JSONSerialization.jsonObject(with: slow.bytes, options: .fragmentsAllowed), options: [.prettyPrinted, .fragmentsAllowed])
        #expect(try MillraceJSON.fastDecode(Message.self, from: loose) == message)
    }

    /// The message by Foundation's encoder, which asks for the `Codable` form.
    private struct Slow {
        let bytes: Data
        init(_ message: some Encodable) throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            bytes = try encoder.encode(message)
        }
    }

    @Test(arguments: [
        #"{"jobs":[],"draining":false,"later":{"a":[1,"\u0041"]}}"#, #"{"draining":false,"jobs":[{}],"jobs":[]}"#,
        #"{"\u006aobs":[],"draining":false}"#,
    ])
    func `unknown, repeated and escaped names are read as ever`(text: String) throws {
        // Of two members with the same name the last counts, but the first must be readable in the fast form.
        #expect(try MillraceJSON.decode(LeaseResponse.self, from: text) == LeaseResponse(jobs: [], draining: false))
    }

    @Test(arguments: [
        (#"{"jobs":[]}"#, ["draining"]), (#"{"jobs":[{"id":"x"}],"draining":true}"#, ["jobs", "0", "id"]),
        (#"{"jobs":{},"draining":true}"#, ["jobs"]),
    ])
    func `what is wrong is told with its place`(text: String, path: [String]) throws {
        let error = try #require(throws: DecodingError.self) { try MillraceJSON.decode(LeaseResponse.self, from: text) }
        #expect(error.path == path)
    }

    @Test func `an input passes as it is written`() throws {
        let text = #"{"b": 1.50, "a": "\/"}"#
        let job = LeasedJob(
            id: JobID(high: 1, low: 2), token: LeaseToken(high: 3, low: 4), attempt: 1, createdAt: Timestamp(milliseconds: 0),
            parameters: nil, input: RawJSON(trusting: text), files: [], checkpoint: nil, traceparent: nil)
        let written = try MillraceJSON.fastEncode(job)
        #expect(String(decoding: written, as: UTF8.self).contains(text))
        let read = try MillraceJSON.fastDecode(LeasedJob.self, from: written)
        #expect(read.input?.text == text)
        #expect(read.input?.value == ["a": "/", "b": 1.5])
    }

    @Test func `a success without inline outputs does not speak of them`() throws {
        let outcome = SettleRequest.Outcome.succeeded(outputs: [], inline: [])
        #expect(try MillraceJSON.string(outcome) == #"{"succeeded":{"outputs":[]}}"#)
        #expect(try MillraceJSON.decode(SettleRequest.Outcome.self, from: #"{"succeeded":{"outputs":[]}}"#) == outcome)
    }

    @Test func `a number that is not finite is refused, not written`() {
        #expect(throws: EncodingError.self) { try MillraceJSON.bytes(of: JSONValue.array([.number(.nan)])) }
    }
}

extension DecodingError {
    fileprivate var path: [String] {
        switch self {
        case .keyNotFound(let key, let context): (context.codingPath + [key]).map(\.shown)
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context): context.codingPath.map(\.shown)
        @unknown default: []
        }
    }
}

extension CodingKey {
    fileprivate var shown: String { intValue.map(String.init) ?? stringValue }
}
