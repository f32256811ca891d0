import ArgumentParser
import Foundation
import MillraceCore
import MillraceInference
import MillraceRunnerONNX
import MillraceVision

/// The most that this machine can classify: threads that decode a photo, run the model and do nothing else.
struct Photos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Classify photos on bare threads.")

    @Option var model: String
    @Option var photos: String
    @Option var threads = 2

    func run() async throws {
        let model = try InProcessModel(directory: model, threads: threads)
        let classifier = try model.model("model")
        try classifier.load()
        let prepare = try Preparation(model.manifest)
        let paths = try FileManager.default.contentsOfDirectory(atPath: photos).sorted().map { photos + "/" + $0 }
        for path in paths.prefix(8) { _ = try best(path, classifier, prepare) }
        let begun = ContinuousClock.now
        let classes = try await LanePool(label: "photos", lanes: threads).map(paths.count) { try best(paths[$0], classifier, prepare) }
        let seconds = (ContinuousClock.now - begun).seconds
        print(#"{"images":\#(paths.count),"seconds":\#(seconds),"classes":\#(classes)}"#)
    }

    private func best(_ path: String, _ model: any TensorModel, _ prepare: Preparation) throws -> Int {
        try [prepare.tensor(of: path)].withViews { inputs in
            try model.call(inputs, share: .lane) { outputs in
                let scores = outputs[0].floats
                return scores.indices.max { scores[$0] < scores[$1] } ?? 0
            }
        }
    }
}

/// What the model's manifest says of its input.
private struct Preparation {
    private let size: Int
    private let cropFraction: Double
    private let normalization: ChannelNormalization
    private let decoder = ImageDecoder(pixelsMax: 100_000_000)

    init(_ manifest: ModelManifest) throws {
        func channels(_ name: String) -> [Float] { manifest.options[name]?.arrayValue?.compactMap { $0.doubleValue.map { Float($0) } } ?? [] }
        guard let size = manifest.options["size"]?.integerValue, let cropFraction = manifest.options["cropFraction"]?.doubleValue,
            channels("mean").count == 3, channels("scale").count == 3
        else { throw ValidationError("the model must say size, cropFraction, and mean and scale of each channel") }
        self.size = size
        self.cropFraction = cropFraction
        normalization = ChannelNormalization(mean: channels("mean"), scale: channels("scale"))
    }

    func tensor(of path: String) throws -> Tensor {
        let image = try decoder.decode(path: path)
        let box = CropBox.center(ofWidth: image.width, height: image.height, fraction: cropFraction)
        return Tensor(image.resampled(box, width: size, height: size).planes(normalization), shape: [1, 3, size, size])
    }
}
