import Foundation
import MillraceCore

/// How far an item's outputs move when others share its call: the largest difference of a value, in parts of the value where
/// that is over 1.
///
/// Most models compute every item for itself, and the difference is that of another order of additions (1e-6). One that chooses
/// the scale of its integers while it runs, by the range of all that is in the call, does not.
public struct BatchDrift: Sendable, Equatable, CustomStringConvertible {
    /// More is no rounding: items get calls of their own.
    public static let limit = 1e-4

    public var value: Double

    public init(_ value: Double) { self.value = value }

    public var isTolerable: Bool { value <= Self.limit }

    public var description: String { value == 0 ? "0" : String(format: "%.1e", value) }

    /// What to tell an operator.
    public func remark(_ model: String) -> String {
        "the outputs of \(model) move by up to \(self) with what else is in the call (the limit is \(Self.limit)): each item is given a call of its own"
    }

    /// Between one item's outputs alone and in company. Where filling up made an output longer, its beginning counts.
    static func between(_ alone: [String: Tensor], _ together: [String: Tensor]) -> Double {
        alone.reduce(0) { worst, output in
            guard let other = together[output.key] else { return .infinity }
            return max(worst, difference(output.value, other))
        }
    }

    private static func difference(_ left: Tensor, _ right: Tensor) -> Double {
        guard left.element == .float32, right.element == .float32 else {
            return zip(left.bytes, right.bytes).allSatisfy { $0 == $1 } ? 0 : .infinity
        }
        return zip(left.floats, right.floats).reduce(0) { worst, pair in
            let (a, b) = (Double(pair.0), Double(pair.1))
            if a == b || a.isNaN && b.isNaN { return worst }
            return max(worst, abs(a - b) / max(1, abs(a)))
        }
    }
}

/// A runner that can tell by trying how far its items move each other.
public protocol DriftMeasuring: ModelRunner {
    /// Runs an example alone and in company. For a loaded runner that nobody else uses meanwhile.
    ///
    /// - Returns: `nil` when there is nothing to measure: items never share a call.
    /// - Throws: What the model throws at the examples.
    func measureDrift() async throws -> BatchDrift?
}

extension TensorBatching {
    /// Runs examples alone, and two and two in one call.
    ///
    /// - Returns: `nil` when the model never sees two items at once.
    func drift(of model: some TensorModel, examples given: [[String: Tensor]]) throws -> BatchDrift? {
        guard fixedCount != 1 else { return nil }
        let examples = given.isEmpty ? noise() : given
        func outputs(_ items: [[String: Tensor]]) throws -> [[String: Tensor]] {
            try stacked(items).withViews { inputs in
                try model.call(inputs, share: .lane) { try split($0, count: items.count) }
            }
        }
        var worst = 0.0
        for (first, second) in zip(examples, examples.dropFirst()) {
            let together = try outputs([first, second])
            for (item, shared) in zip([first, second], together) {
                worst = max(worst, BatchDrift.between(try outputs([item])[0], shared))
            }
        }
        return BatchDrift(worst)
    }

    /// Examples for a model of which no more is known than its ports: the first is quiet, the second loud, and longer where texts are filled up.
    private func noise() -> [[String: Tensor]] {
        [(Float(0.1), 4), (10, 8)].map { loudness, length in
            Dictionary(uniqueKeysWithValues: zip(signature.inputs, padded).map { port, isPadded -> (String, Tensor) in
                let shape = port.shape.dropFirst().map { $0 > 0 ? $0 : isPadded ? length : 4 }
                return (port.name, Self.noise(port.element, shape, loudness))
            })
        }
    }

    /// Floats from -loudness to loudness; whole numbers are 1, which is a token of every vocabulary and no filling.
    private static func noise(_ element: Tensor.Element, _ shape: [Int], _ loudness: Float) -> Tensor {
        let count = shape.reduce(1, *)
        switch element {
        case .float32: return Tensor((0..<count).map { index -> Float in loudness * (Float((index * 7919 + 13) % 2003) / 1001 - 1) }, shape: shape)
        case .float64: return Tensor((0..<count).map { Double(loudness) * (Double(($0 * 7919 + 13) % 2003) / 1001 - 1) }, of: element, shape: shape)
        case .float16: return Tensor((0..<count).map { Float16(loudness) * (Float16(($0 * 79 + 13) % 203) / 101 - 1) }, of: element, shape: shape)
        case .uint8: return Tensor(element: element, shape: shape, bytes: (0..<count).map { UInt8($0 * 79 % 251) })
        case .bool, .int8: return Tensor([UInt8](repeating: 1, count: count), of: element, shape: shape)
        case .uint16, .int16: return Tensor([UInt16](repeating: 1, count: count), of: element, shape: shape)
        case .uint32, .int32: return Tensor([UInt32](repeating: 1, count: count), of: element, shape: shape)
        case .uint64, .int64: return Tensor([UInt64](repeating: 1, count: count), of: element, shape: shape)
        }
    }
}
