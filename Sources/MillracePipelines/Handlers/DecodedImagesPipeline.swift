import MillraceCore
import MillraceInference
import MillraceVision
import Synchronization

/// The pipeline of handler processes that want to see pixels: the job is one item, its files are decoded here, into one piece of
/// memory that the handler sees as well, `uint8 [height, width, 3]` for each, upright, red, green and blue.
///
/// How much of that memory there is at any time is bounded: a job waits until it has its share, and one that would never get it fails.
public struct DecodedImagesPipeline: InferencePipeline {
    /// Where each image begins: a multiple of this many bytes.
    static let alignment = 64

    let size: Int
    let bytesMax: Int
    private let room: Gate
    private let decoding = BlockingQueue(label: "millrace.decoding", concurrent: true)
    private let base = HandlerPipeline()

    /// - Parameters:
    ///   - size: Pixels a side of the square that each image is cut and resized to; 0: as it is.
    ///   - bytesMax: Of the images of all jobs together, until their handler has answered.
    public init(size: Int = 0, bytesMax: Int = 1 << 30) {
        self.size = size
        self.bytesMax = bytesMax
        room = Gate(limit: bytesMax)
    }

    public func prepare() async {
        try? await decoding.run { ImageDecoder.prepare() }
    }

    public func open(_ job: PipelineJob) async throws -> any PipelineTask {
        guard !job.request.files.isEmpty else {
            throw JobFailure(.missingInput, "the job has no image", hint: "upload at least one JPEG, PNG, WebP or TIFF file")
        }
        guard job.request.files.count <= job.limits.filesMax else {
            throw JobFailure(.tooManyFiles, "the job has \(job.request.files.count) images, more than the \(job.limits.filesMax) allowed")
        }
        let decoder = ImageDecoder(pixelsMax: job.limits.pixelsMax)
        return DecodedImagesTask(
            base: try await base.open(job), pipeline: self, decoder: decoder, plan: try await plan(job.request.files, decoder: decoder))
    }

    /// Where each image of a job will be in its segment, by the headers: what takes its share in parts may wait for somebody who waits for it.
    private func plan(_ files: [HandlerRequest.File], decoder: ImageDecoder) async throws -> Plan {
        var plan = Plan(shapes: try await decoding.run { try files.map { try shape(of: $0, decoder: decoder) } })
        for shape in plan.shapes {
            plan.offsets.append(plan.byteCount)
            plan.byteCount += (shape.reduce(1, *) + Self.alignment - 1) / Self.alignment * Self.alignment
        }
        guard plan.byteCount <= bytesMax else {
            throw JobFailure(
                .imageTooLarge, "the job's images have \(plan.byteCount) bytes of pixels together, more than the \(bytesMax) that there is room for",
                hint: "send them as several jobs, or make them smaller")
        }
        return plan
    }

    fileprivate func share(for plan: Plan) async throws -> Gate.Share { try await room.share(plan.byteCount) }

    /// All images of a job, in one segment, which keeps the share.
    fileprivate func images(
        of files: [HandlerRequest.File], by plan: Plan, share: Gate.Share, decoder: ImageDecoder
    ) async throws -> [SharedTensor] {
        try await decoding.run {
            let segment = try SharedSegment.make(byteCount: plan.byteCount, share: share) { memory in
                for (index, file) in files.enumerated() {
                    try pixels(of: file, decoder: decoder, shape: plan.shapes[index]) { memory[plan.offsets[index]...].copyBytes(from: $0) }
                }
            }
            return zip(plan.shapes, plan.offsets).map { SharedTensor(segment: segment, element: .uint8, shape: $0, offset: $1) }
        }
    }

    /// `[height, width, 3]`, by the file's header where it is not known before.
    private func shape(of file: HandlerRequest.File, decoder: ImageDecoder) throws -> [Int] {
        if size > 0 { return [size, size, 3] }
        do {
            let (width, height) = try decoder.size(path: file.path)
            return [height, width, 3]
        } catch {
            throw error.about(file)
        }
    }

    private func pixels(
        of file: HandlerRequest.File, decoder: ImageDecoder, shape: [Int], _ body: (UnsafeBufferPointer<UInt8>) -> Void
    ) throws {
        do {
            var image = try decoder.decode(path: file.path)
            if size > 0 {
                image = image.resampled(.center(ofWidth: image.width, height: image.height, fraction: 1), width: size, height: size)
            }
            guard [image.height, image.width, 3] == shape else {
                throw JobFailure(.imageDamaged, "the image has another size than its header says")
            }
            image.withPixels(body)
        } catch let failure as JobFailure {
            throw failure.about(file)
        }
    }
}

/// How a job's images share one segment.
private struct Plan {
    var shapes: [[Int]]
    var offsets: [Int] = []
    var byteCount = 0
}

/// A handler's task whose request gets its images on the way.
private final class DecodedImagesTask: PipelineTask {
    private let base: any PipelineTask
    private let pipeline: DecodedImagesPipeline
    private let decoder: ImageDecoder
    private let plan: Plan
    private let state = Mutex(State())

    private struct State {
        var isPrepared = false
        /// Between the wait for it and the decoding; given back with the task when that never comes.
        var share: Gate.Share?
    }

    init(base: any PipelineTask, pipeline: DecodedImagesPipeline, decoder: ImageDecoder, plan: Plan) {
        self.base = base
        self.pipeline = pipeline
        self.decoder = decoder
        self.plan = plan
    }

    var itemsTotal: Int? { base.itemsTotal }
    var unit: String { base.unit }

    func prepareNext() async throws {
        // The one item of the job has them all.
        guard !state.withLock(\.isPrepared) else { return }
        let share = try await pipeline.share(for: plan)
        state.withLock { $0 = State(isPrepared: true, share: share) }
    }

    func next() async throws -> InferenceItem.Payload? {
        guard case .request(var request)? = try await base.next() else { return nil }
        guard let share = state.withLock({ $0.share.take() }) else { preconditionFailure("an item is prepared before it is made") }
        request.images = try await pipeline.images(of: request.files, by: plan, share: share, decoder: decoder)
        return .request(request)
    }

    func accept(_ outcome: ItemOutcome, ofItem index: Int) async throws { try await base.accept(outcome, ofItem: index) }

    func finish() async throws -> [PipelineOutput] { try await base.finish() }
}
