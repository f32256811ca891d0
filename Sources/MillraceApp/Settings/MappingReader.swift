import MillraceCore
import Yams

/// Reads one YAML mapping key by key and notes what is missing, of the wrong type or unknown, with its line.
struct MappingReader {
    /// Where this mapping stands: `endpoints.ocr.retry`. Empty at the top.
    let path: String
    private var rest: [(key: String, node: Node)]
    private var known: [String] = []

    init(_ node: Node, path: String, faults: inout Faults) {
        self.path = path
        rest = []
        guard let mapping = node.mapping else {
            faults.add("\(path.isEmpty ? "the file" : "\"\(path)\"")\(node.place) must be a mapping of keys to values")
            return
        }
        for (key, value) in mapping {
            if let name = key.string { rest.append((name, value)) } else { faults.add("a key\(key.place) is not text") }
        }
    }

    mutating func take(_ key: String) -> Node? {
        known.append(key)
        guard let index = rest.firstIndex(where: { $0.key == key }) else { return nil }
        return rest.remove(at: index).node
    }

    /// Whether nothing is there that nobody has taken.
    var isEmpty: Bool { rest.isEmpty }

    /// Whether the key is there, and nobody has taken it.
    func has(_ key: String) -> Bool { rest.contains { $0.key == key } }

    /// Notes every key that nobody asked for.
    func finish(_ faults: inout Faults) {
        for (key, node) in rest {
            let near = Spelling.nearest(to: key, in: known)
            let hint = near.map { "; did you mean \"\($0)\"?" } ?? "; known here: \(known.sorted().joined(separator: ", "))"
            faults.add("unknown key \"\(full(key))\"\(node.place)\(hint)")
        }
    }

    func full(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// Reads a value with `parse`; a value that `parse` refuses is noted as not being `what`.
    mutating func value<Value>(_ key: String, _ what: String, _ faults: inout Faults, _ parse: (Node) -> Value?) -> Value? {
        guard let node = take(key) else { return nil }
        guard let value = parse(node) else {
            faults.add("\"\(full(key))\"\(node.place) must be \(what), not \(node.shown)")
            return nil
        }
        return value
    }

    mutating func mapping(_ key: String, _ faults: inout Faults, _ body: (inout MappingReader, inout Faults) -> Void) {
        guard let node = take(key) else { return }
        var reader = MappingReader(node, path: full(key), faults: &faults)
        guard node.mapping != nil else { return }
        body(&reader, &faults)
        reader.finish(&faults)
    }

    /// Every key of a mapping whose keys are names that people chose.
    mutating func takeAll() -> [(key: String, node: Node)] {
        defer { rest = [] }
        return rest
    }
}

extension MappingReader {
    mutating func string(_ key: String, _ faults: inout Faults) -> String? {
        value(key, "text", &faults) { $0.scalar?.string }
    }

    mutating func integer(_ key: String, _ faults: inout Faults, in range: ClosedRange<Int> = 0...Int.max) -> Int? {
        value(key, "a whole number" + range.words, &faults) { $0.int.flatMap { range.contains($0) ? $0 : nil } }
    }

    mutating func duration(_ key: String, _ faults: inout Faults) -> Duration? {
        value(key, "a duration such as 500ms, 20s, 5m, 2h or 7d", &faults) { $0.scalar.flatMap { Quantity.duration($0.string) } }
    }

    /// - Parameter words: `limit` as people write it.
    mutating func duration(_ key: String, _ faults: inout Faults, atMost limit: Duration, _ words: String) -> Duration? {
        value(key, "a duration of at most \(words), such as 500ms, 20s or 5m", &faults) { node in
            node.scalar.flatMap { Quantity.duration($0.string) }.flatMap { $0 <= limit ? $0 : nil }
        }
    }

    mutating func bytes(_ key: String, _ faults: inout Faults) -> Int64? {
        value(key, "a size such as 500kB, 50MB or 2GiB", &faults) { $0.scalar.flatMap { Quantity.bytes($0.string) } }
    }

    mutating func strings(_ key: String, _ faults: inout Faults) -> [String]? {
        value(key, "a list of texts", &faults) { node in
            node.sequence.flatMap { list in
                let texts = list.compactMap { $0.scalar?.string }
                return texts.count == list.count ? texts : nil
            }
        }
    }
}

extension ClosedRange<Int> {
    fileprivate var words: String {
        switch (lowerBound, upperBound) {
        case (Int.min, Int.max): ""
        case (0, Int.max): ", 0 or more"
        case (1, Int.max): ", 1 or more"
        default: " from \(lowerBound) to \(upperBound)"
        }
    }
}

extension Node {
    /// ` (line 12)`, where known.
    var place: String { mark.map { " (line \($0.line))" } ?? "" }

    fileprivate var shown: String {
        switch self {
        case .scalar(let scalar): "\"\(scalar.string)\""
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }

    /// The node as JSON; YAML's own rules say what is a number and what is text.
    var json: JSONValue {
        switch self {
        case .mapping(let mapping):
            .object(Dictionary(mapping.compactMap { key, value in key.string.map { ($0, value.json) } }, uniquingKeysWith: { $1 }))
        case .sequence(let list): .array(list.map(\.json))
        case .alias: .null
        case .scalar(let scalar):
            if let value = bool { .bool(value) }
            else if let value = int { .integer(Int64(value)) }
            else if let value = float { .number(value) }
            else if null != nil { .null }
            else { .string(scalar.string) }
        }
    }
}
