import Foundation
import MillraceCore
import MillraceInference
import MillracePipelines
import MillraceVision
import Testing

struct DecodedImagesTests {
    private func request(_ pipeline: DecodedImagesPipeline, _ job: PipelineJob) async throws -> HandlerRequest {
        let task = try await pipeline.open(job)
        try await task.prepareNext()
        guard case .request(let request)? = try await task.next() else { throw JobFailure(.internal, "no request") }
        #expect(try await task.next() == nil)
        return request
    }

    private func bytes(of image: SharedTensor) throws -> [UInt8] {
        try image.segment.withBytes(image.offset..<image.offset + image.byteCount) { Array($0) }
    }

    @Test func `every photo of a job is in one segment, as the decoder gives it`() async throws {
        let files = ["chelsea.png", "china.jpg", "camera.png"].map(photo)
        let request = try await request(DecodedImagesPipeline(), try Workplace().job(files: files))
        #expect(request.files == files && request.images.count == 3)
        for (file, image) in zip(files, request.images) {
            let expected = try ImageDecoder(pixelsMax: 100_000_000).decode(path: file.path)
            #expect(image.shape == [expected.height, expected.width, 3] && image.offset % 64 == 0)
            #expect(try bytes(of: image) == expected.pixels)
            #expect(image.segment === request.images[0].segment)
        }
    }

    @Test(arguments: 1...8) func `a turned photo is upright, and its shape is known from the header`(orientation: Int) async throws {
        let path = repository.path + "/Tests/MillraceVisionTests/Fixtures/orientation\(orientation).jpg"
        let file = HandlerRequest.File(name: "file", filename: nil, path: path, mediaType: "image/jpeg", bytes: 1)
        let image = try await request(DecodedImagesPipeline(), try Workplace().job(files: [file])).images[0]
        let expected = try ImageDecoder(pixelsMax: 1_000_000).decode(path: path)
        #expect(image.shape == [expected.height, expected.width, 3])
        #expect(try bytes(of: image) == expected.pixels)
    }

    @Test func `with a size, each is a square of so many pixels`() async throws {
        let request = try await request(DecodedImagesPipeline(size: 96), try Workplace().job(files: [photo("coffee.png"), photo("rocket.jpg")]))
        #expect(request.images.map(\.shape) == [[96, 96, 3], [96, 96, 3]])
        let whole = try ImageDecoder(pixelsMax: 100_000_000).decode(path: photo("coffee.png").path)
        let square = whole.resampled(.center(ofWidth: whole.width, height: whole.height, fraction: 1), width: 96, height: 96)
        #expect(try bytes(of: request.images[0]) == square.pixels)
    }

    @Test func `a job waits until there is room for all of its pixels, and one that never fits fails`() async throws {
        let one = 64 * 64 * 3
        let pipeline = DecodedImagesPipeline(size: 64, bytesMax: 2 * one)
        let work = try Workplace()
        var first: HandlerRequest? = try await request(pipeline, work.job(files: [photo("chelsea.png"), photo("coffee.png")]))
        let second = Task { try await request(pipeline, work.job(files: [photo("china.jpg")])) }
        let third = Task { try await request(pipeline, work.job(files: [photo("china.jpg")])) }
        third.cancel()
        await #expect(throws: CancellationError.self) { _ = try await third.value }
        #expect(first?.images.count == 2)
        first = nil
        #expect(try await second.value.images.count == 1)
        let failure = try await #require(throws: JobFailure.self) {
            _ = try await request(pipeline, work.job(files: Array(repeating: photo("chelsea.png"), count: 3)))
        }
        #expect(failure.code == "image_too_large" && failure.message.contains("more than the \(2 * one)"))
    }

    @Test func `the room of a job that is never decoded, or in vain, is given back`() async throws {
        let one = 64 * 64 * 3
        let pipeline = DecodedImagesPipeline(size: 64, bytesMax: one)
        let work = try Workplace()
        let whole = try Data(contentsOf: URL(filePath: photo("china.jpg").path))
        let half = try work.file("half.jpg", Array(whole.prefix(whole.count / 2)), mediaType: "image/jpeg")
        var task: (any PipelineTask)? = try await pipeline.open(work.job(files: [photo("china.jpg")]))
        try await task?.prepareNext()
        task = nil
        let bad = try await pipeline.open(work.job(files: [half]))
        try await bad.prepareNext()
        #expect(await code { try await bad.next() } == "image_damaged")
        #expect(try await request(pipeline, work.job(files: [photo("coffee.png")])).images.count == 1)
    }

    @Test func `what is no image, is damaged or is too large fails its job by name`() async throws {
        let work = try Workplace()
        let whole = try Data(contentsOf: URL(filePath: photo("china.jpg").path))
        let half = try work.file("half.jpg", Array(whole.prefix(whole.count / 2)), mediaType: "image/jpeg")
        let text = try work.file("a.txt", Array("no image".utf8), mediaType: "text/plain")
        for (file, code) in [(half, "image_damaged"), (text, "unsupported_media_type")] {
            let failure = try await #require(throws: JobFailure.self) {
                _ = try await request(DecodedImagesPipeline(), work.job(files: [photo("chelsea.png"), file]))
            }
            #expect(failure.code == code && failure.message.hasPrefix(file.filename!))
        }
        #expect(await code { try await DecodedImagesPipeline().open(work.job()) } == "missing_input")
    }

    @Test func `options are checked, all at once`() throws {
        var manifest = ModelManifest(name: "m", runner: .process, command: ["x"])
        #expect(try HandlerOptions(manifest).decode == .none)
        manifest.options = ["decode": "image", "size": 224]
        #expect(try HandlerOptions(manifest).size == 224)
        manifest.options = ["decode": "imag", "size": 5000, "decod": 1]
        let error = try #require(throws: MillraceError.self) { _ = try HandlerOptions(manifest) }
        #expect(error.message.contains("options.decode must be one of none, image"))
        #expect(error.message.contains("options.size must be") && error.message.contains("options.decod is unknown"))
        manifest.options = ["size": 224]
        #expect(throws: MillraceError.self) { _ = try HandlerOptions(manifest) }
    }
}
