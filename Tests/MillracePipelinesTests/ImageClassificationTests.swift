import Foundation
import MillraceCore
import MillraceInference
import MillracePipelines
import Testing

struct ImageClassificationTests {
    private static let photos = ["camera.png", "chelsea.png", "china.jpg", "coffee.png", "flower.jpg", "rocket.jpg"]

    @Test(arguments: [1, 4, 16])
    func `photos get the reference's classes and probabilities`(batch: Int) async throws {
        let golden = try fixture("image-classifier.json", as: [String: [String: JSONValue]].self)
        let references = try #require(golden["efficientnet-lite0"])
        let model = try await LoadedModel.classifier()
        let work = try Workplace()
        let jobs = try [Self.photos, Self.photos.reversed()].map { try work.job(files: $0.map(photo)) }
        var worst = 0.0
        for output in try await model.run(jobs, batch: batch) {
            let images = try #require(try output[0].json()["images"]?.arrayValue)
            #expect(images.count == Self.photos.count)
            for image in images {
                let name = try #require(image["file"]?.stringValue)
                let expected = try #require(references["photos/\(name)"]?.arrayValue)
                let classes = try #require(image["classes"]?.arrayValue)
                #expect(classes.count == 5)
                for (mine, reference) in zip(classes, expected) {
                    let parts = try #require(reference.arrayValue)
                    #expect(mine["index"] == parts[0] && mine["label"] == parts[1], "\(name)")
                    let difference = abs(try #require(mine["probability"]?.doubleValue) - (try #require(parts[2].doubleValue)))
                    worst = max(worst, difference)
                }
            }
        }
        #expect(worst < 1e-3)
        print("image-classification, batch \(batch): largest difference of a probability \(worst)")
    }

    @Test func `topK says how many classes come back`() async throws {
        let model = try await LoadedModel.classifier()
        let work = try Workplace()
        for (given, expected) in [(1, 1), (3, 3), (100_000, 1000)] {
            let job = try work.job(files: [photo("chelsea.png")], parameters: ["topK": .integer(Int64(given))])
            let result = try await model.run([job], batch: 1)[0][0].json()
            #expect(result["images"]?.arrayValue?.first?["classes"]?.arrayValue?.count == expected)
        }
        #expect(await code { try await model.pipeline.open(work.job(files: [photo("chelsea.png")], parameters: ["topK": 0])) } == "invalid_parameter")
        #expect(await code { try await model.pipeline.open(work.job()) } == "missing_input")
    }

    @Test func `a damaged photo fails its job by name`() async throws {
        let model = try await LoadedModel.classifier()
        let work = try Workplace()
        let whole = try Data(contentsOf: URL(filePath: photo("china.jpg").path))
        let half = try work.file("half.jpg", Array(whole.prefix(whole.count / 2)), mediaType: "image/jpeg")
        let failure = try await #require(throws: JobFailure.self) {
            try await model.run([work.job(files: [photo("chelsea.png"), half])], batch: 4)
        }
        #expect(failure.code == "image_damaged" && failure.message.hasPrefix("half.jpg: ") && !failure.retryable)
    }

    @Test func `a photo over the limit fails before it is decoded`() async throws {
        let model = try await LoadedModel.classifier()
        var limits = EndpointLimits()
        limits.pixelsMax = 100_000
        #expect(await code { try await model.run([Workplace().job(files: [photo("chelsea.png")], limits: limits)], batch: 1) } == "image_too_large")
    }
}
