import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOHTTP1
import Testing

@testable import MillraceGateway

@Suite("Keys and tenants")
struct KeyTests {
    @Test("Without a valid key there is nothing to see, and the answer says what is needed")
    func refused() async throws {
        try await withGateway(keys: true) { gateway in
            let key = try await gateway.gateway.keys.create(name: "ci").key.description
            #expect(key.hasPrefix("mr_") && key.split(separator: "_").count == 3)
            let none = try await gateway.send(.GET, "/v1/jobs")
            #expect(none.status == 401 && none.problem?.code == "unauthorized" && none.problem?.hint?.contains("Bearer mr_") == true)
            #expect(none.headers.first(name: "www-authenticate") == "Bearer realm=\"millrace\"")
            // The secret's first letter, which no chance makes the right one.
            let place = try #require(key.lastIndex(of: "_")).utf16Offset(in: key) + 1
            let letter = key.dropFirst(place).hasPrefix("a") ? "b" : "a"
            let wrong = "\(key.prefix(place))\(letter)\(key.dropFirst(place + 1))"
            for header in [wrong, "mr_", "", "x", key.uppercased(), "mr_\(key)", "\(key)a"] {
                let answer = try await gateway.send(.GET, "/v1/jobs", ["authorization": "Bearer \(header)"])
                #expect(answer.status == 401, "\(header)")
                #expect(!answer.text.contains(key))
            }
            #expect(try await gateway.send(.GET, "/v1/jobs?key=\(key)").status == 401)
            #expect(try await gateway.send(.GET, "/v1/jobs", ["authorization": "Basic \(key)"]).status == 401)
            #expect(try await gateway.send(.GET, "/v1/jobs", ["authorization": "bearer \(key)"]).status == 200)
            #expect(try await gateway.send(.GET, "/v1/jobs", ["x-api-key": key]).status == 200)
            for path in ["/metrics", "/health", "/v1/endpoints", "/v1/workers"] {
                #expect(try await gateway.send(.GET, path).status == 401, "\(path)")
            }
            for path in ["/", "/healthz", "/readyz"] { #expect(try await gateway.send(.GET, path).status == 200, "\(path)") }
        }
    }

    @Test("What belongs to another tenant is not there")
    func tenants() async throws {
        try await withGateway(keys: true) { gateway in
            let mine: HTTPHeaders = ["x-api-key": try await gateway.gateway.keys.create(name: "a", tenant: "a").key.description]
            let theirs: HTTPHeaders = ["x-api-key": try await gateway.gateway.keys.create(name: "b", tenant: "b").key.description]
            var json = mine
            json.add(name: "idempotency-key", value: "k")
            let id = try await gateway.submit("{\"input\":1}", json).json(JobResource.self).id
            let upload = try await gateway.send(.POST, "/v1/uploads", mine, Samples.png()).json(UploadResource.self).id
            for path in ["", "/result", "/events", "/logs", "/deliveries"] {
                #expect(try await gateway.send(.GET, "/v1/jobs/\(id)\(path)", theirs).problem?.code == "job_unknown", "\(path)")
            }
            for path in ["/cancel", "/retry"] {
                #expect(try await gateway.send(.POST, "/v1/jobs/\(id)\(path)", theirs).problem?.code == "job_unknown", "\(path)")
            }
            #expect(try await gateway.send(.GET, "/v1/uploads/\(upload)", theirs).problem?.code == "blob_unknown")
            #expect(try await gateway.submit("{\"uploads\":[\"\(upload)\"]}", to: "pictures", theirs).problem?.code == "blob_unknown")
            #expect(try await gateway.submit("{\"uploads\":[\"\(upload)\"]}", to: "pictures", mine).status == 202)
            #expect(try await gateway.send(.GET, "/v1/jobs", theirs).json(JobList.self).jobs.isEmpty)
            #expect(try await gateway.send(.GET, "/v1/jobs/\(id)", mine).json(JobResource.self).state == .queued)
            // The same idempotency key of another tenant is another key.
            var other = theirs
            other.add(name: "idempotency-key", value: "k")
            #expect(try await gateway.submit("{\"input\":2}", other).status == 202)
        }
    }

    @Test("A revoked key is refused, elsewhere at the latest when the memory of it ends")
    func revoked() async throws {
        let clock = ManualClock()
        let store = InMemoryStore(clock.surroundings)
        let (here, elsewhere) = (APIKeys(store: store, surroundings: clock.surroundings), APIKeys(store: store, surroundings: clock.surroundings))
        let (record, key) = try await here.create(name: "ci", tenant: "acme")
        #expect(try await elsewhere.verify(key.description) == record)
        #expect(try await here.revoke(record.id))
        #expect(try await here.verify(key.description) == nil)
        clock.advance(by: APIKeys.memory)
        #expect(try await elsewhere.verify(key.description) == nil)
        #expect(try await !here.revoke(record.id))
    }

    @Test("No letter of a key can be another one, nor be missing")
    func everyLetterCounts() async throws {
        let clock = ManualClock()
        let keys = APIKeys(store: InMemoryStore(clock.surroundings), surroundings: clock.surroundings)
        let key = Array(try await keys.create(name: "n").key.description)
        for index in key.indices where key[index] != "_" {
            for letter in "abcdefghijklmnopqrstuvwxyz234567" where letter != key[index] {
                var wrong = key
                wrong[index] = letter
                #expect(try await keys.verify(String(wrong)) == nil, "\(index): \(letter)")
            }
            #expect(try await keys.verify(String(key[..<index] + key[(index + 1)...])) == nil, "without \(index)")
        }
    }

    @Test("Only a hash of the secret is kept, and keys read back as they were written")
    func form() async throws {
        let clock = ManualClock()
        let key = APIKey(in: clock.surroundings)
        #expect(APIKey(key.description) == key)
        let store = InMemoryStore(clock.surroundings)
        let made = try await APIKeys(store: store, surroundings: clock.surroundings).create(name: "n")
        let secret = String(made.key.description.split(separator: "_")[2])
        #expect(made.record.secretHash.count == 64 && !made.record.secretHash.contains(secret))
        for bytes in [[], [0], [255, 1], Array(0..<32)] as [[UInt8]] { #expect(Base32.decode(Base32.encode(bytes)) == bytes) }
        #expect(Base32.encode("foobar".utf8) == "mzxw6ytboi")
    }
}
