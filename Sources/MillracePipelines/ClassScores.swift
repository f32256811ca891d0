import Foundation
import MillraceCore
import MillraceInference

/// A classifier's answer for one item: a value for each class.
struct ClassScores: Sendable {
    enum Activation: String, Sendable, CaseIterable { case softmax, none }

    /// As the model gave them.
    var values: [Float]
    var probabilities: [Double]

    /// - Parameters:
    ///   - outputs: The model's outputs for one item.
    ///   - name: Of the output to take; `nil` for the only one.
    /// - Throws: `model_error` when there is no such output, or it has not one value for each class, or one is not a number.
    init(of outputs: [String: Tensor], output name: String?, classCount: Int, activation: Activation) throws(JobFailure) {
        let tensor = name.map { outputs[$0] } ?? (outputs.count == 1 ? outputs.first?.value : nil)
        guard let tensor else {
            throw JobFailure(
                .modelError,
                name.map { "the model has no output \"\($0)\"" } ?? "the model has several outputs",
                hint: "options.output: one of " + outputs.keys.sorted().joined(separator: ", "))
        }
        guard tensor.element == .float32, tensor.count == classCount else {
            throw JobFailure(
                .modelError,
                "the model gave \(tensor.count) \(tensor.element) values for \(classCount) labels",
                hint: "files.labels must have a line for each class")
        }
        values = tensor.floats
        guard values.allSatisfy(\.isFinite) else {
            throw JobFailure(.modelError, "the model gave a value that is not a number")
        }
        probabilities = activation == .softmax ? Self.softmax(values) : values.map(Double.init)
    }

    /// The classes from the most to the least probable; of equals, the lower index first.
    var ranking: [Int] {
        probabilities.indices.sorted { (probabilities[$0], $1) > (probabilities[$1], $0) }
    }

    var best: Int { ranking.first ?? 0 }

    static func softmax(_ values: [Float]) -> [Double] {
        let top = values.max() ?? 0
        let powers = values.map { exp(Double($0 - top)) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }

    /// Six decimals: what a 32-bit model knows.
    static func rounded(_ value: Double) -> Double {
        (value * 1e6).rounded() / 1e6
    }
}
