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

    /// The most probable classes, from the most to the least; of equals, the lower index first.
    ///
    /// One look at each class: sorting all thousand for the best five was 0.6 % of a worker's time.
    func top(_ count: Int) -> [Int] {
        var top: [Int] = []
        for index in probabilities.indices {
            if top.count == count, let last = top.last, probabilities[index] <= probabilities[last] { continue }
            top.insert(index, at: top.firstIndex { probabilities[$0] < probabilities[index] } ?? top.count)
            if top.count > count { top.removeLast() }
        }
        return top
    }

    var best: Int { top(1).first ?? 0 }

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
