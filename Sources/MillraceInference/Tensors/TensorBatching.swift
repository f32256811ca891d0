import MillraceCore

/// How items become the tensors of one call, and its outputs the items' outcomes. Pure, decided by the model's ports.
///
/// Items are stacked along axis 0 of every input. Items of other shapes go into calls of their own, with one exception:
/// a model that takes an input named `attention_mask` says that it ignores masked positions, so its `int64` inputs of
/// one axis and free length are filled up with 0 to the longest of the call. (The outputs of such a model that have
/// a position axis then have that length too.) Short and long texts go into separate calls: on 1,000 comments in
/// batches of 32, one call for each batch computes 2.2 times the tokens that there are, calls of similar lengths 1.2 times.
struct TensorBatching: Sendable {
    let signature: ModelSignature
    /// The batch axis where the model fixes it; such a model is always given as many items, the last one repeated.
    let fixedCount: Int?
    /// Which inputs are filled up with 0.
    let padded: [Bool]
    /// Whether items may share a call and be filled up; else each has one of its own, with copies of itself where the model fixes the batch axis.
    var sharesCalls = true
    /// In one call the longest text has at most so many times the tokens of the shortest.
    private static let lengthSpread = 1.5

    /// - Throws: `model_unavailable` when the inputs fix the batch axis at several lengths.
    init(signature: ModelSignature) throws {
        let fixed = Set(signature.inputs.map(\.shape[0]).filter { $0 >= 0 })
        guard fixed.count <= 1, !fixed.contains(0) else {
            throw MillraceError(.modelUnavailable, "the model's inputs have no batch axis in common")
        }
        let masks = signature.inputs.contains { $0.name == "attention_mask" }
        self.signature = signature
        fixedCount = fixed.first
        padded = signature.inputs.map { masks && $0.element == .int64 && $0.shape.count == 2 && $0.shape[1] < 0 }
    }

    /// Why the model cannot take this item; `nil` when it can.
    func objection(to item: [String: Tensor]) -> JobFailure? {
        if let extra = item.keys.filter({ name in !signature.inputs.contains { $0.name == name } }).min() {
            return JobFailure(
                .invalidInput, "the model has no input \"\(extra)\"",
                hint: "it takes " + signature.inputs.map(\.name).joined(separator: ", "))
        }
        for port in signature.inputs {
            guard let tensor = item[port.name] else {
                return JobFailure(.invalidInput, "the model's input \"\(port.name)\" is missing")
            }
            guard tensor.element == port.element else {
                return JobFailure(
                    .invalidInput, "the model's input \"\(port.name)\" is \(port.element), not \(tensor.element)")
            }
            let axes = port.shape.dropFirst()
            guard tensor.shape.count == axes.count, zip(tensor.shape, axes).allSatisfy({ $1 < 0 || $0 == $1 }) else {
                return JobFailure(
                    .invalidInput,
                    "the model's input \"\(port.name)\" has the shape \(Self.text(axes)), not \(Self.text(tensor.shape))")
            }
            guard tensor.count > 0 else {
                return JobFailure(.invalidInput, "the model's input \"\(port.name)\" has no values")
            }
        }
        return nil
    }

    /// The positions of the items that go into each call.
    ///
    /// - Parameters:
    ///   - lanes: How many calls run at a time: no call has more than its share of the items.
    ///   - batchesPay: ``TensorModel/batchesPay``. Texts always share calls: one alone has too little to compute with each weight.
    func calls(for items: [(position: Int, tensors: [String: Tensor])], lanes: Int, batchesPay: Bool) -> [[Int]] {
        guard sharesCalls else { return items.map { [$0.position] } }
        let share = batchesPay || padded.contains(true) ? (items.count + lanes - 1) / max(lanes, 1) : 1
        var groups: [[[Int]]: [Int]] = [:]
        var order: [[[Int]]] = []
        for item in items {
            let key = zip(signature.inputs, padded).map { port, isPadded in
                isPadded ? [] : item.tensors[port.name]?.shape ?? []
            }
            if groups[key] == nil { order.append(key) }
            groups[key, default: []].append(item.position)
        }
        let lengths = Dictionary(uniqueKeysWithValues: items.map { ($0.position, length(of: $0.tensors)) })
        return order.flatMap { split(groups[$0] ?? [], lengths: lengths) }.flatMap { positions in
            let countMax = fixedCount ?? max(1, min(positions.count, share))
            return stride(from: 0, to: positions.count, by: countMax).map {
                Array(positions[$0..<min($0 + countMax, positions.count)])
            }
        }
    }

    /// Positions in order of length, cut where the lengths become too different.
    private func split(_ positions: [Int], lengths: [Int: Int]) -> [[Int]] {
        guard padded.contains(true) else { return [positions] }
        var calls: [[Int]] = []
        var shortest = 0
        for position in positions.sorted(by: { (lengths[$0] ?? 0, $0) < (lengths[$1] ?? 0, $1) }) {
            let length = lengths[position] ?? 0
            if calls.isEmpty || Double(length) > Self.lengthSpread * Double(shortest) {
                calls.append([])
                shortest = length
            }
            calls[calls.count - 1].append(position)
        }
        return calls
    }

    private func length(of item: [String: Tensor]) -> Int {
        zip(signature.inputs, padded).map { port, isPadded in isPadded ? item[port.name]?.shape.first ?? 0 : 0 }.max() ?? 0
    }

    /// The inputs of one call, in the signature's order, each with the batch axis in front.
    func stacked(_ items: [[String: Tensor]]) -> [Tensor] {
        let filler = max(0, (fixedCount ?? items.count) - items.count)
        let items = items + Array(repeating: items[items.count - 1], count: filler)
        return zip(signature.inputs, padded).map { port, isPadded in
            let tensors = items.compactMap { $0[port.name] }
            precondition(tensors.count == items.count, "objection(to:) was asked before")
            let shape = isPadded ? [tensors.map(\.shape[0]).max() ?? 0] : tensors[0].shape
            let bytesEach = shape.reduce(1, *) * port.element.byteCount
            var bytes: [UInt8] = []
            bytes.reserveCapacity(bytesEach * tensors.count)
            for tensor in tensors {
                bytes.append(contentsOf: tensor.bytes)
                bytes.append(contentsOf: repeatElement(0, count: bytesEach - tensor.bytes.count))
            }
            return Tensor(element: port.element, shape: [tensors.count] + shape, bytes: bytes)
        }
    }

    /// An example of zeros for a first call, with the batch axis; `nil` where only a real example shows what there has to be.
    ///
    /// A free axis of tokens is one token long.
    func blank() -> [Tensor]? {
        var tensors: [Tensor] = []
        for (port, isPadded) in zip(signature.inputs, padded) {
            let axes = port.shape.dropFirst().map { $0 < 0 && isPadded ? 1 : $0 }
            guard axes.allSatisfy({ $0 > 0 }) else { return nil }
            let shape = [fixedCount ?? 1] + axes
            tensors.append(Tensor(element: port.element, shape: shape, bytes: Array(repeating: 0, count: shape.reduce(port.element.byteCount, *))))
        }
        return tensors
    }

    /// The first `count` items' outputs.
    ///
    /// A model for single items may leave the batch axis out of its outputs: its one item has them whole.
    /// - Throws: `model_error` when an output's first axis is not the batch.
    func split(_ outputs: [TensorView], count: Int) throws(JobFailure) -> [[String: Tensor]] {
        let rows = fixedCount ?? count
        var items = [[String: Tensor]](repeating: [:], count: count)
        for (port, output) in zip(signature.outputs, outputs) {
            if output.shape.first == rows {
                let shape = Array(output.shape.dropFirst())
                let bytesEach = output.bytes.count / rows
                for index in 0..<count {
                    items[index][port.name] = Tensor(
                        element: output.element, shape: shape,
                        bytes: Array(output.bytes[index * bytesEach..<(index + 1) * bytesEach]))
                }
            } else if fixedCount == 1 {
                items[0][port.name] = output.tensor
            } else {
                throw JobFailure(
                    .modelError,
                    "the model's output \"\(port.name)\" has the shape \(Self.text(output.shape)) for \(rows) items",
                    hint: "export the model with the batch as the first axis of every output")
            }
        }
        return items
    }

    private static func text(_ shape: some Sequence<Int>) -> String {
        "[" + shape.map { $0 < 0 ? "?" : String($0) }.joined(separator: ", ") + "]"
    }
}
