import Foundation
import MillraceCloud
import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOHTTP1
import Testing

@testable import MillraceGateway

@Suite("Results")
struct ResultTests {
    @Test("A result is given whole, in ranges, and not at all when the client has it")
    func result() async throws {
        try await withGateway { gateway in
            let id = try await gateway.submit().json(JobResource.self).id
            let early = try await gateway.send(.GET, "/v1/jobs/\(id)/result")
            #expect(early.status == 409 && early.problem?.code == "result_not_ready" && early.problem?.detail.contains("queued") == true)
            let bytes = Array(0..<UInt8(200))
            try await gateway.succeed(try await gateway.lease()[0], bytes, mediaType: "application/octet-stream", filename: "näme \"x\".bin")
            let path = "/v1/jobs/\(id)/result"

            let whole = try await gateway.send(.GET, path)
            let tag = "\"\(sha256(bytes))\""
            #expect(whole.status == 200 && whole.body == bytes && whole.headers.first(name: "etag") == tag)
            #expect(whole.headers.first(name: "content-type") == "application/octet-stream" && whole.headers.first(name: "x-content-type-options") == "nosniff")
            #expect(whole.headers.first(name: "content-disposition") == "attachment; filename=\"n__me _x_.bin\"; filename*=UTF-8''n%C3%A4me%20%22x%22.bin")

            let part = try await gateway.send(.GET, "\(path)/result", ["range": "bytes=10-19"])
            #expect(part.status == 206 && part.body == Array(10..<20) && part.headers.first(name: "content-range") == "bytes 10-19/200")
            let tail = try await gateway.send(.GET, path, ["range": "bytes=-5"])
            #expect(tail.status == 206 && tail.body == Array(195..<200))
            let stale = try await gateway.send(.GET, path, ["range": "bytes=0-1", "if-range": "\"other\""])
            #expect(stale.status == 200 && stale.body.count == 200)
            let beyond = try await gateway.send(.GET, path, ["range": "bytes=200-"])
            #expect(beyond.status == 416 && beyond.headers.first(name: "content-range") == "bytes */200" && beyond.problem?.code == "range_not_satisfiable")
            let known = try await gateway.send(.GET, path, ["if-none-match": "\"a\", W/\(tag)"])
            #expect(known.status == 304 && known.body.isEmpty && known.headers.first(name: "etag") == tag)
            let head = try await gateway.send(.HEAD, path)
            #expect(head.status == 200 && head.body.isEmpty && head.headers.first(name: "content-length") == "200")
            let missing = try await gateway.send(.GET, "\(path)/heatmap")
            #expect(missing.status == 404 && missing.problem?.hint == "outputs: result")
        }
    }

    @Test("A result of JSON with tensors behind it says how long the JSON is")
    func binaryTensors() async throws {
        try await withGateway { gateway in
            for (mediaType, expected) in [
                ("application/octet-stream; inference-header-content-length=2", "2"), ("application/octet-stream", nil),
                ("application/octet-stream; inference-header-content-length=\"a\"", nil),
            ] {
                let id = try await gateway.submit().json(JobResource.self).id
                try await gateway.succeed(try await gateway.lease()[0], Array("{}abcd".utf8), mediaType: mediaType)
                let answer = try await gateway.send(.GET, "/v1/jobs/\(id)/result")
                #expect(answer.status == 200 && answer.headers.first(name: "content-type") == mediaType)
                #expect(answer.headers.first(name: "inference-header-content-length") == expected)
            }
        }
    }

    @Test("What a failed job has in place of a result is its error")
    func failed() async throws {
        try await withGateway { gateway in
            let id = try await gateway.submit().json(JobResource.self).id
            try await gateway.fail(try await gateway.lease()[0], JobFailure(.columnMissing, "no column \"text\"", hint: "columns: a, b"))
            let answer = try await gateway.send(.GET, "/v1/jobs/\(id)/result")
            #expect(answer.status == 409 && answer.problem?.code == "column_missing" && answer.problem?.hint == "columns: a, b")
        }
    }

    @Test(
        "Ranges are read as RFC 9110 has them",
        arguments: [
            ("bytes=0-0", ByteRange.part(0..<1)), ("bytes=5-", .part(5..<10)), ("bytes=0-99", .part(0..<10)), ("bytes=-3", .part(7..<10)),
            ("bytes=-99", .part(0..<10)), ("bytes=10-", .notSatisfiable), ("bytes=-0", .notSatisfiable), ("bytes=5-4", .whole),
            ("bytes=1-2,4-5", .whole), ("items=0-1", .whole), ("bytes=a-b", .whole), ("bytes=-", .whole), ("bytes=--1", .whole),
            ("bytes=9223372036854775807-", .notSatisfiable), ("bytes=0-9223372036854775807", .part(0..<10)), ("bytes=+1-2", .whole),
        ])
    func ranges(header: String, expected: ByteRange) {
        #expect(ByteRange(header, of: 10) == expected)
    }

    @Test("A signed address gives one blob for a time, and takes it; nothing about it can be changed")
    func signedBlobs() async throws {
        try await withGateway(keys: true) { gateway in
            let job = Job.fixture(in: gateway.surroundings)
            let blob: BlobID = gateway.surroundings.makeID()
            try await gateway.queue.reserve(BlobRecord(id: blob, tenant: "t", createdAt: job.createdAt, writer: job.id))
            func path(_ url: String) -> String { String(url[url.range(of: "/v1")!.lowerBound...]) }
            let put = path(gateway.gateway.blobURLs.url(for: .write, to: blob, validity: .seconds(60)))
            let get = path(gateway.gateway.blobURLs.url(for: .read, to: blob, validity: .seconds(60)))
            let written = try await gateway.send(.PUT, put, [:], Array("hello".utf8))
            #expect(written.status == 201 && written.headers.first(name: "etag") == "\"\(sha256(Array("hello".utf8)))\"")
            #expect(try await gateway.send(.GET, get).status == 404)
            try await gateway.queue.seal(blob, bytes: 5, sha256: sha256(Array("hello".utf8)), mediaType: "text/plain")
            #expect(try await gateway.send(.GET, get, ["range": "bytes=1-2"]).text == "el")
            #expect(try await gateway.send(.PUT, put, [:], [1]).status == 409)
            for bad in [get.replacing("expires=", with: "expires=1"), String(get.dropLast()) + "x", put, "/v1/blobs/\(blob)"] {
                #expect(try await gateway.send(.GET, bad).problem?.code == "forbidden", "\(bad)")
            }
            let (rest, signature) = (get.prefix(get.count - 64), Array(get.suffix(64)))
            for index in signature.indices {
                for digit in "0123456789abcdef" where digit != signature[index] {
                    var wrong = signature
                    wrong[index] = digit
                    let expires = String(rest.split(separator: "=")[1].prefix { $0 != "&" })
                    #expect(throws: MillraceError.self) {
                        try gateway.gateway.blobURLs.check(.read, to: blob, expires: expires, signature: String(wrong))
                    }
                }
            }
            let old = path(gateway.gateway.blobURLs.url(for: .read, to: blob, validity: .seconds(-1)))
            #expect(try await gateway.send(.GET, old).problem?.detail.contains("expired") == true)
        }
    }
}
