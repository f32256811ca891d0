import MillraceCore
import MillraceQueue
import MillraceTestSupport
import MillraceWire
import NIOHTTP1
import Synchronization
import Testing

@testable import MillraceGateway

@Suite("Submitting jobs")
struct SubmitTests {
    @Test("A form becomes a job: its files are stored, its fields are parameters")
    func form() async throws {
        try await withGateway { gateway in
            let csv = Array("text,stars\ngood,5\nbad,1\n".utf8)
            let form = Form().field("language", "de").field("top", "3").field("priority", "9").file("table", "../reviews.csv", csv)
            let answer = try await gateway.send(
                .POST, "/v1/endpoints/text/jobs",
                ["content-type": "multipart/form-data; boundary=\"XyZ\"", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
                form.finished)
            #expect(answer.status == 202)
            let resource = try answer.json(JobResource.self)
            #expect(answer.headers.first(name: "location") == "/v1/jobs/\(resource.id)")
            let job = try #require(try await gateway.store.job(resource.id))
            #expect(job.parameters == ["language": "de", "top": 3])
            #expect(job.priority == 9 && job.input == nil && job.tenant == "default")
            #expect(job.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            let file = try #require(job.files.first)
            #expect(file.name == "table" && file.filename == "reviews.csv" && file.mediaType == "text/csv")
            #expect(file.sha256 == sha256(csv) && gateway.blobs[file.blob] == csv)
            #expect(try await gateway.store.blob(file.blob)?.state == .stored)
        }
    }

    @Test("JSON becomes a job, with the parameters' defaults filled in")
    func json() async throws {
        try await withGateway { gateway in
            let answer = try await gateway.submit(#"{"input":["a","b"],"parameters":{"top":2},"priority":1,"timeToLiveSeconds":60}"#)
            let job = try #require(try await gateway.store.job(try answer.json(JobResource.self).id))
            #expect(answer.status == 202)
            #expect(job.parameters == ["top": 2, "language": "en"] && job.priority == 1)
            let worker = WorkerRecord.fixture(endpoint: job.endpoint, in: .system)
            try await gateway.store.register(worker)
            let leased = try await gateway.store.lease(
                LeaseDemand(worker: worker.id, endpoint: job.endpoint, variant: job.variant, jobsMax: 1, duration: .seconds(15)))
            #expect(leased.map(\.input?.value) == [JSONValue.array(["a", "b"])])
            #expect(job.expiresAt == job.createdAt + .seconds(60))
        }
    }

    @Test("The bare bytes of a file become a job, with parameters from the query")
    func rawBody() async throws {
        try await withGateway { gateway in
            let text = Array("hello there".utf8)
            let answer = try await gateway.send(
                .POST, "/v1/endpoints/text/jobs?language=fr&filename=a%2Fb.txt", ["content-type": "text/plain"], text)
            let job = try #require(try await gateway.store.job(try answer.json(JobResource.self).id))
            #expect(job.parameters["language"] == "fr" && job.files.first?.filename == "b.txt" && job.files.first?.bytes == 11)
            // What `curl --data-binary @photo` declares is wrong, and no harm.
            let photo = try await gateway.send(
                .POST, "/v1/endpoints/pictures/jobs", ["content-type": "application/x-www-form-urlencoded", "content-disposition": "attachment; filename=\"p.png\""],
                Samples.png())
            #expect(photo.status == 202)
            #expect(try photo.json(JobResource.self).inputs.first == .some(try photo.json(JobResource.self).inputs[0]))
            #expect(try photo.json(JobResource.self).inputs[0].filename == "p.png")
        }
    }

    @Test("JSON with tensors behind it is a file whose type says where the JSON ends")
    func binaryTensors() async throws {
        let manifest = ModelManifest(name: "m", runner: .onnx, pipeline: "tensors", accepts: ["application/json", "application/octet-stream"])
        let endpoint = EndpointConfiguration(name: "numbers", modelDirectory: "/m", manifest: manifest, modelVersion: "1")
        try await withGateway { configuration in
            configuration.endpoints.append(endpoint)
        } _: { gateway in
            // All of it looks like text, which the header outweighs.
            let (json, tail) = (Array(#"{"inputs":[{"name":"x","parameters":{"binary_data_size":4}}]}"#.utf8), Array("abcd".utf8))
            func send(_ length: String?, to name: String = "numbers", _ body: [UInt8]) async throws -> Harness.Answer {
                var headers: HTTPHeaders = ["content-type": "application/octet-stream"]
                if let length { headers.add(name: "Inference-Header-Content-Length", value: length) }
                return try await gateway.send(.POST, "/v1/endpoints/\(name)/jobs", headers, body)
            }
            func mediaType(_ answer: Harness.Answer) throws -> String? { try answer.json(JobResource.self).inputs.first?.mediaType }
            #expect(try mediaType(try await send("\(json.count)", json + tail)) == "application/octet-stream; inference-header-content-length=\(json.count)")
            #expect(try mediaType(try await send(nil, json + tail)) == "application/octet-stream")
            #expect(try mediaType(try await send(nil, json + [0, 0, 128, 63])) == "application/octet-stream")
            #expect(try mediaType(try await send(nil, json)) == "application/json")
            for length in ["-1", "x", "", "9223372036854775808", "\(json.count + 5)"] {
                let answer = try await send(length, json + tail)
                #expect(answer.status == 400 && answer.problem?.code == "malformed_request", "\(length)")
            }
            #expect(try await send("4", to: "text", json).problem?.code == "unsupported_media_type")
        }
    }

    @Test("A file is told by its bytes, whatever its name and declared type say")
    func sniffed() async throws {
        try await withGateway { gateway in
            let lying = try await gateway.send(
                .POST, "/v1/endpoints/pictures/jobs", Form.headers,
                Form().file("file", "notes.txt", Samples.jpeg(), type: "text/plain").file("file", "x", Samples.pdf).finished)
            #expect(try lying.json(JobResource.self).inputs.map(\.mediaType) == ["image/jpeg", "application/pdf"])
        }
    }

    @Test("A large file is stored in pieces and comes out as it went in")
    func large() async throws {
        try await withGateway({ $0.endpoints[1].limits.bytesMax = 20_000_000 }) { gateway in
            let content = Samples.png() + (0..<9_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let answer = try await gateway.send(.POST, "/v1/endpoints/pictures/jobs", Form.headers, Form().file("f", "f", content).finished)
            let job = try #require(try await gateway.store.job(try answer.json(JobResource.self).id))
            #expect(gateway.blobs[job.files[0].blob] == content)
            #expect(gateway.blobs.state.withLock { $0.pieceBytesMax } < 2 << 20)
        }
    }

    @Test("An upload is used by jobs later, in JSON")
    func uploads() async throws {
        try await withGateway { gateway in
            let uploaded = try await gateway.send(.POST, "/v1/uploads?filename=p.png", ["content-type": "image/jpeg"], Samples.png())
            let resource = try uploaded.json(UploadResource.self)
            #expect(uploaded.status == 201 && resource.mediaType == "image/png" && resource.filename == "p.png")
            #expect(try await gateway.send(.GET, "/v1/uploads/\(resource.id)").json(UploadResource.self) == resource)
            for _ in 0..<2 {
                let answer = try await gateway.submit(#"{"uploads":["\#(resource.id)"]}"#, to: "pictures")
                #expect(answer.status == 202)
                #expect(try answer.json(JobResource.self).inputs[0].filename == "p.png")
            }
            let inForm = try await gateway.send(.POST, "/v1/uploads", Form.headers, Form().file("file", "a.txt", Array("hi".utf8)).finished)
            #expect(try inForm.json(UploadResource.self).mediaType == "text/plain")
            let wrong = try await gateway.submit(#"{"uploads":["\#(try inForm.json(UploadResource.self).id)"]}"#, to: "pictures")
            #expect(wrong.status == 415)
        }
    }

    struct BadForm: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var endpoint = "pictures"
        var form: Form
        var status: Int
        var code: ErrorCode
        var says: String
    }

    static let badForms = [
        BadForm(testDescription: "empty file", form: Form().file("file", "a.jpg", []), status: 422, code: .emptyFile, says: "a.jpg"),
        BadForm(testDescription: "no file", form: Form(), status: 422, code: .missingInput, says: "curl"),
        BadForm(testDescription: "wrong type", form: Form().file("f", "a.jpg", Array("text".utf8)), status: 415, code: .unsupportedMediaType, says: "text/plain"),
        BadForm(testDescription: "accepted types", form: Form().file("f", "a.jpg", [0, 1, 2]), status: 415, code: .unsupportedMediaType, says: "image/*, application/pdf"),
        BadForm(testDescription: "too large", form: Form().file("f", "a.png", Samples.png() + Array(repeating: 1, count: 1_100_000)), status: 413, code: .tooLarge, says: "1 MB"),
        BadForm(testDescription: "large and wrong", form: Form().file("f", "a.png", Array(repeating: 65, count: 900_000)), status: 415, code: .unsupportedMediaType, says: "text/plain"),
        BadForm(testDescription: "too many files", form: Form().file("a", "a", Samples.png()).file("b", "b", Samples.png()).file("c", "c", Samples.png()), status: 422, code: .tooManyFiles, says: "2 files"),
        BadForm(testDescription: "pixels", form: Form().file("f", "a.png", Samples.png(width: 1001, height: 1000)), status: 422, code: .imageTooLarge, says: "1001 x 1000"),
        BadForm(testDescription: "pixels behind the prefix", form: Form().file("f", "a.jpg", Samples.jpeg(width: 5000, height: 5000, padding: 150_000)), status: 422, code: .imageTooLarge, says: "5000 x 5000"),
        BadForm(testDescription: "cut PDF", form: Form().file("f", "a.pdf", Array(Samples.pdf.prefix(30))), status: 422, code: .invalidInput, says: "no end"),
        BadForm(testDescription: "unknown parameter", endpoint: "text", form: Form().field("langauge", "de").file("f", "f", Array("hi".utf8)), status: 422, code: .unknownParameter, says: "language"),
        BadForm(testDescription: "bad parameter", endpoint: "text", form: Form().field("top", "11").file("f", "f", Array("hi".utf8)), status: 422, code: .invalidParameter, says: "at most 10"),
        BadForm(testDescription: "parameter twice", endpoint: "text", form: Form().field("top", "1").field("parameters", #"{"top":2}"#).file("f", "f", Array("hi".utf8)), status: 422, code: .invalidParameter, says: "twice"),
        BadForm(testDescription: "priority", endpoint: "text", form: Form().field("priority", "10").field("input", "1"), status: 422, code: .invalidParameter, says: "0 (last) to 9"),
        BadForm(testDescription: "input no JSON", endpoint: "text", form: Form().field("input", "hello"), status: 400, code: .malformedRequest, says: "quotes"),
        BadForm(testDescription: "input and file", endpoint: "text", form: Form().field("input", "1").file("f", "f", Array("hi".utf8)), status: 400, code: .malformedRequest, says: "one of the two"),
        BadForm(testDescription: "inline not accepted", form: Form().field("input", "1"), status: 415, code: .unsupportedMediaType, says: "takes no JSON"),
        BadForm(testDescription: "callback", endpoint: "text", form: Form().field("callback", "http://169.254.169.254/").field("input", "1"), status: 422, code: .callbackRefused, says: "not a public address"),
        BadForm(testDescription: "unknown endpoint", endpoint: "picture", form: Form(), status: 404, code: .endpointUnknown, says: "did you mean \"pictures\"? endpoints: pictures, text"),
    ]

    @Test("A bad form is refused with its status, code and a word that helps; nothing is queued", arguments: badForms)
    func bad(form: BadForm) async throws {
        try await withGateway { gateway in
            let answer = try await gateway.send(.POST, "/v1/endpoints/\(form.endpoint)/jobs", Form.headers, form.form.finished)
            let problem = try #require(answer.problem, "\(answer.text)")
            #expect(answer.headers.first(name: "content-type") == "application/problem+json")
            #expect(answer.status == form.status && problem.status == form.status && problem.code == form.code.rawValue, "\(problem)")
            #expect("\(problem.detail) \(problem.hint ?? "")".contains(form.says), "\(problem)")
            #expect(try await gateway.store.jobs(matching: JobFilter(), after: nil, limit: 10).isEmpty)
        }
    }

    @Test(
        "Bad JSON is refused, saying which field",
        arguments: [
            (#"{"input":1,"prioritty":3}"#, 400, "did you mean \"priority\"?"), (#"{"input":1,"priority":"high"}"#, 400, "\"priority\""),
            (#"{"input":1"#, 400, "not valid JSON"), ("[]", 400, "JSON object"), ("{}", 422, "no input"), ("", 400, "not valid JSON"),
            (#"{"uploads":["x"]}"#, 400, "uploads[0]"), (#"{"uploads":["01900000-0000-7000-8000-000000000000"]}"#, 404, "no upload"),
            (#"{"input":1,"timeToLiveSeconds":0}"#, 422, "timeToLiveSeconds"), (#"{"input":1,"priority":-1}"#, 422, "priority"),
            (#"{"input":1,"callback":"ftp://example.com"}"#, 422, "http or https"), (#"{"input":1,"timeToLiveSeconds":1e300}"#, 422, "less than"),
            (#"{"input":1,"priority":1e30}"#, 400, "\"priority\""), (#"{"input":1e999}"#, 400, "1e999 is out of range"), (#"{"input":"\ud800"}"#, 400, "surrogate"),
            (#"{"input":1,"timeToLiveSeconds":1e999}"#, 400, "out of range"), (#"{"input":1,"priority":1.5}"#, 400, "no whole number"),
        ])
    func badJSON(json: String, status: Int, says: String) async throws {
        try await withGateway { gateway in
            let answer = try await gateway.submit(json)
            let problem = try #require(answer.problem, "\(answer.text)")
            #expect(answer.status == status && "\(problem.detail) \(problem.hint ?? "")".contains(says), "\(problem)")
        }
    }

    @Test("A body that is no form, and JSON that is too long, are refused")
    func badBodies() async throws {
        try await withGateway({ $0.jsonBytesMax = 1000 }) { gateway in
            let noBoundary = try await gateway.send(.POST, "/v1/endpoints/text/jobs", ["content-type": "multipart/form-data"], [1])
            #expect(noBoundary.problem?.code == "malformed_request")
            let cut = try await gateway.send(.POST, "/v1/endpoints/text/jobs", Form.headers, Form().file("f", "f", [65]).bytes)
            #expect(cut.problem?.detail.contains("last boundary") == true)
            let long = try await gateway.submit(#"{"input":"\#(String(repeating: "x", count: 2000))"}"#)
            #expect(long.status == 413)
            let mixed = try await gateway.send(.POST, "/v1/endpoints/text/jobs", ["content-type": "multipart/mixed; boundary=x"], [1])
            #expect(mixed.status == 415)
            let webForm = try await gateway.send(
                .POST, "/v1/endpoints/text/jobs", ["content-type": "application/x-www-form-urlencoded"], Array("text=hello".utf8))
            #expect(webForm.status == 415 && webForm.problem?.hint?.contains("-F file=@") == true)
        }
    }

    @Test("What is refused or repeated leaves no bytes behind; uploads and the first request's files stay")
    func discarded() async throws {
        try await withGateway { gateway in
            func kept() -> Int { gateway.blobs.state.withLock { $0.blobs.count } }
            let hi = Array("hi".utf8)
            func send(_ form: Form, _ key: String? = nil, to path: String = "/v1/endpoints/text/jobs") async throws -> Harness.Answer {
                var headers = Form.headers
                if let key { headers.add(name: "idempotency-key", value: key) }
                return try await gateway.send(.POST, path, headers, form.finished)
            }
            let far = Form().file("f", "a.jpg", Samples.jpeg(width: 5000, height: 5000, padding: 150_000))
            #expect(try await send(far, to: "/v1/endpoints/pictures/jobs").status == 422 && kept() == 0)
            #expect(try await send(Form().file("f", "f", hi).field("top", "11")).status == 422 && kept() == 0)
            #expect(try await send(Form().file("f", "f", hi).field("callback", "http://1.1.1.1:99999/")).status == 422 && kept() == 0)
            #expect(try await send(Form().file("f", "f", hi).file("g", "g", hi), to: "/v1/uploads").status == 422 && kept() == 0)
            #expect(try await send(Form().file("f", "f", hi), "k").status == 202 && kept() == 1)
            #expect(try await send(Form().file("f", "f", hi), "k").headers.contains(name: "idempotency-replayed") && kept() == 1)
            #expect(try await send(Form().file("f", "f", [65]), "k").problem?.code == "idempotency_conflict" && kept() == 1)
            let upload = try await send(Form().file("f", "f", hi), to: "/v1/uploads").json(UploadResource.self)
            #expect(try await gateway.submit(#"{"uploads":["\#(upload.id)"],"parameters":{"top":99}}"#).status == 422 && kept() == 2)
        }
    }

    @Test("Depth is counted outside of strings")
    func depth() {
        func exceeds(_ text: String, _ limit: Int = 2) -> Bool { JSONDepth.exceeds(limit, in: text.utf8) }
        #expect(exceeds("[[[") && exceeds(#"{"a":[{"#) && !exceeds("[[],[],{}]") && !exceeds("]]][[") && !exceeds("") && exceeds("[", 0))
        #expect(!exceeds(#"["[[[[", "\"[[[", "\\"]"#) && exceeds(#"["\\", [["#))
    }

    @Test("JSON that is nested too deeply is refused, wherever it comes")
    func deep() async throws {
        try await withGateway { gateway in
            let deep = String(repeating: "[", count: 200_000) + String(repeating: "]", count: 200_000)
            let body = try await gateway.submit(#"{"input":\#(deep)}"#)
            #expect(body.status == 400 && body.problem?.detail.contains("64 levels") == true && body.text.hasSuffix("}\n"))
            for name in ["input", "parameters"] {
                let form = try await gateway.send(.POST, "/v1/endpoints/text/jobs", Form.headers, Form().field(name, deep).finished)
                #expect(form.status == 400 && form.problem?.detail.contains("64 levels") == true)
            }
            let wide = try await gateway.send(
                .POST, "/v1/endpoints/text/jobs", ["content-type": "application/json"], #"{"input":1}"#.utf8.flatMap { [$0, 0] })
            #expect(wide.status == 400 && wide.problem?.detail.contains("UTF-8") == true)
        }
    }

    @Test("When a later file is bad, the bytes of all are dropped and their rows are left to be collected")
    func abandoned() async throws {
        try await withGateway { gateway in
            let form = Form().file("a", "a.png", Samples.png()).file("b", "b.png", Array("no picture".utf8))
            #expect(try await gateway.send(.POST, "/v1/endpoints/pictures/jobs", Form.headers, form.finished).status == 415)
            #expect(gateway.blobs.state.withLock { $0.blobs.isEmpty })
            let unused = try await gateway.store.claimUnused(
                pendingBefore: gateway.surroundings.now() + .seconds(1), unusedBefore: Timestamp(milliseconds: 0), limit: 10)
            #expect(unused.count == 2)
        }
    }
}
