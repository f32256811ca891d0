import AsyncHTTPClient
import Foundation
import MillraceCore
import NIOCore
import NIOHTTP1

/// An answer that is not a success, as the failure of a job.
struct ServerRefusal {
    private static let bodyBytesMax = 65_536
    private static let wordsMax = 1000

    let failure: JobFailure

    init(_ response: HTTPClientResponse, at now: Timestamp) async {
        let body = try? await response.body.collect(upTo: Self.bodyBytesMax)
        self.init(
            status: Int(response.status.code), words: Self.words(of: Array((body ?? ByteBuffer()).readableBytesView)),
            retryAfter: response.headers.first(name: "Retry-After"), at: now)
    }

    init(status: Int, words: String, retryAfter: String?, at now: Timestamp) {
        let message = "the model server answered with \(status)" + (words.isEmpty ? "" : ": \(words)")
        var failure =
            switch status {
            case 300..<400: JobFailure(.handlerError, message, hint: "redirects are not followed: correct server.url in model.yaml")
            case 400, 413, 415, 422: JobFailure(.invalidInput, message)
            case 408, 425, 429, 503: JobFailure(.unavailable, message, retryable: true)
            case 400..<500:
                JobFailure(.handlerError, message, hint: "does the server speak the protocol that model.yaml names, at this address?")
            default: JobFailure(.handlerError, message, retryable: true)
            }
        if failure.retryable { failure.retryAfter = retryAfter.flatMap { Self.wait($0, at: now) } }
        self.failure = failure
    }

    /// What the server says about it: a text, or what stands under the usual names in a JSON object.
    static func words(of body: [UInt8]) -> String {
        let text = (try? MillraceJSON.fastDecode(JSONValue.self, from: body)).flatMap(words) ?? String(decoding: body, as: UTF8.self)
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.count > wordsMax ? line.prefix(wordsMax) + "..." : line
    }

    private static func words(_ value: JSONValue) -> String? {
        if let text = value.stringValue { return text }
        for name in ["message", "error", "detail", "Message", "errorMessage"] {
            if let words = value[name].flatMap(words) { return words }
        }
        return nil
    }

    /// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
    static func wait(_ text: String, at now: Timestamp) -> Duration? {
        if let seconds = Int64(text), seconds >= 0 { return min(.seconds(seconds), RetryPolicy.retryAfterMax) }
        return date(text).map { min(max($0.since(now), .zero), RetryPolicy.retryAfterMax) }
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
    private static func date(_ text: String) -> Timestamp? {
        let words = text.split { " :".contains($0) }
        guard words.count == 8, words[7] == "GMT", let month = months.firstIndex(of: String(words[2])) else { return nil }
        let numbers = [1, 3, 4, 5, 6].compactMap { Int32(words[$0]) }
        guard numbers.count == 5, (1970...9999).contains(numbers[1]) else { return nil }
        var parts = tm()
        (parts.tm_mday, parts.tm_mon, parts.tm_year) = (numbers[0], Int32(month), numbers[1] - 1900)
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (numbers[2], numbers[3], numbers[4])
        return Timestamp(milliseconds: Int64(timegm(&parts)) * 1000)
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
