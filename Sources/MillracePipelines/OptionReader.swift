import MillraceCore

/// Reads a manifest's `options` and collects everything that is wrong with them.
struct OptionReader {
    private let options: [String: JSONValue]
    private let model: String
    private var known: Set<String> = []
    private var faults: [String] = []

    init(_ manifest: ModelManifest) {
        options = manifest.options
        model = manifest.name
    }

    mutating func integer(_ name: String, in range: ClosedRange<Int>, default fallback: Int) -> Int {
        guard let value = take(name) else { return fallback }
        guard let number = value.integerValue, range.contains(number) else {
            return fault(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)", fallback)
        }
        return number
    }

    /// A number greater than `lower` and at most `upper`.
    mutating func number(_ name: String, over lower: Double, to upper: Double, default fallback: Double) -> Double {
        guard let value = take(name) else { return fallback }
        guard let number = value.doubleValue, number > lower, number <= upper else {
            return fault(name, "must be a number over \(lower) and at most \(upper)", fallback)
        }
        return number
    }

    mutating func flag(_ name: String, default fallback: Bool) -> Bool {
        guard let value = take(name) else { return fallback }
        return value.boolValue ?? fault(name, "must be true or false", fallback)
    }

    mutating func string(_ name: String, default fallback: String) -> String {
        guard let value = take(name) else { return fallback }
        guard let text = value.stringValue, !text.isEmpty else { return fault(name, "must be a text", fallback) }
        return text
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, default fallback: Choice
    ) -> Choice where Choice.RawValue == String {
        guard let value = take(name) else { return fallback }
        guard let choice = value.stringValue.flatMap(Choice.init(rawValue:)) else {
            return fault(name, "must be one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "), fallback)
        }
        return choice
    }

    /// One number for all channels, or three.
    mutating func channels(_ name: String, default fallback: [Float], nonzero: Bool = false) -> [Float] {
        guard let value = take(name) else { return fallback }
        let numbers = value.arrayValue.map { $0.compactMap(\.doubleValue) } ?? value.doubleValue.map { [$0, $0, $0] } ?? []
        guard numbers.count == 3, value.arrayValue?.count ?? 3 == 3, !nonzero || !numbers.contains(0) else {
            return fault(name, "must be one number or three" + (nonzero ? ", none of them 0" : ""), fallback)
        }
        return numbers.map(Float.init)
    }

    mutating func object(_ name: String) -> [String: JSONValue] {
        guard let value = take(name) else { return [:] }
        return value.objectValue ?? fault(name, "must be a mapping", [:])
    }

    mutating func report(_ fault: String) {
        faults.append(fault)
    }

    /// - Throws: `invalid_manifest` with every fault, unknown options included.
    func finish() throws {
        let unknown = options.keys.filter { !known.contains($0) }.sorted().map { name in
            let near = Spelling.nearest(to: name, in: known.sorted())
            return "options.\(name) is unknown"
                + (near.map { ", did you mean \"\($0)\"?" } ?? " (known are: \(known.sorted().joined(separator: ", ")))")
        }
        let all = faults + unknown
        guard all.isEmpty else {
            throw MillraceError(.invalidManifest, "the model \"\(model)\": " + all.joined(separator: "; "))
        }
    }

    private mutating func take(_ name: String) -> JSONValue? {
        known.insert(name)
        return options[name]
    }

    private mutating func fault<Value>(_ name: String, _ text: String, _ fallback: Value) -> Value {
        faults.append("options.\(name) \(text)")
        return fallback
    }
}
