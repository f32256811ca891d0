import Foundation
import MillraceCore
import MillraceInference
import MillracePipelines
import MillraceVision
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

    /// The model's scores are its input, as it lies in memory.
    private static func flat(_ layout: String, _ options: [String: JSONValue]) async throws -> [Double] {
        let work = try Workplace()
        let labels = try work.file("labels.txt", Array((0..<12).map { "\($0)\n" }.joined().utf8), mediaType: "text/plain")
        let folder = try #require(Bundle.module.resourceURL).appending(path: "Fixtures").path
        let manifest = ModelManifest(
            name: "flat", runner: .onnx, pipeline: "image-classification", files: ["model": "flat-\(layout).onnx", "labels": labels.path],
            options: ["size": 2, "activation": "none", "layout": .string(layout), "mean": [10, 20, 30], "scale": [255, 510, 1020]].merging(options) { $1 })
        let model = try await LoadedModel(manifest, directory: folder)
        let result = try await model.run([work.job(files: [photo("china.jpg")], parameters: ["topK": 12])], batch: 1)[0][0].json()
        let classes = try #require(result["images"]?.arrayValue?.first?["classes"]?.arrayValue)
        #expect(classes.count == 12)
        return classes.sorted { ($0["index"]?.integerValue ?? 0) < ($1["index"]?.integerValue ?? 0) }.compactMap { $0["probability"]?.doubleValue }
    }

    @Test func `models get channels first or last, red or blue first, each channel with its own mean and scale`() async throws {
        let image = try ImageDecoder(pixelsMax: 10_000_000).decode(path: photo("china.jpg").path)
        for (options, box, filter) in [
            (["cropFraction": 0.5], CropBox.center(ofWidth: image.width, height: image.height, fraction: 0.5), ResamplingFilter.bicubic),
            (["resize": 3, "interpolation": "bilinear"], .center(ofWidth: image.width, height: image.height, shorterSide: 3, size: 2), .bilinear),
        ] as [([String: JSONValue], CropBox, ResamplingFilter)] {
            let pixels = image.resampled(box, width: 2, height: 2, filter: filter).pixels.map(Double.init)
            func value(_ pixel: Int, _ channel: Int) -> Double { (pixels[pixel * 3 + channel] - [10, 20, 30][channel]) / [255, 510, 1020][channel] }
            func isNear(_ found: [Double], _ expected: [Double]) -> Bool { zip(found, expected).allSatisfy { abs($0 - $1) < 1e-6 } && found.count == 12 }
            let blueFirst = options.merging(["order": "bgr"]) { $1 }
            #expect(isNear(try await Self.flat("nchw", options), (0..<3).flatMap { channel in (0..<4).map { value($0, channel) } }))
            #expect(isNear(try await Self.flat("nchw", blueFirst), [2, 1, 0].flatMap { channel in (0..<4).map { value($0, channel) } }))
            #expect(isNear(try await Self.flat("nhwc", options), (0..<4).flatMap { pixel in (0..<3).map { value(pixel, $0) } }))
            #expect(isNear(try await Self.flat("nhwc", blueFirst), (0..<4).flatMap { pixel in [2, 1, 0].map { value(pixel, $0) } }))
        }
    }

    @Test func `options that contradict each other or the model are refused`() async throws {
        #expect(await code { try await Self.flat("nchw", ["resize": 3, "cropFraction": 1]) } == "invalid_manifest")
        #expect(await code { try await Self.flat("nchw", ["resize": 1]) } == "invalid_manifest")
        #expect(await code { try await Self.flat("nchw", ["order": "grb"]) } == "invalid_manifest")
        // The model has its channels last.
        #expect(await code { try await Self.flat("nhwc", ["layout": "nchw"]) } == "invalid_input")
    }
}
