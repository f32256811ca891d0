/// One parameter of a model: its type and bounds, checked at the door.
public struct ParameterDeclaration: Sendable, Codable, Equatable {
    public enum Kind: String, Sendable, Codable, CaseIterable { case integer, number, string, boolean }

    public var type: Kind
    public var description: String?
    public var `default`: JSONValue?
    public var required: Bool
    public var min: Double?
    public var max: Double?
    public var `enum`: [JSONValue]?

    public init(
        type: Kind, description: String? = nil, default: JSONValue? = nil, required: Bool = false,
        min: Double? = nil, max: Double? = nil, enum: [JSONValue]? = nil
    ) {
        self.type = type
        self.description = description
        self.default = `default`
        self.required = required
        self.min = min
        self.max = max
        self.enum = `enum`
    }

    /// The value as this parameter's type, or why it cannot be.
    ///
    /// A form field arrives as a string; where another type is declared it is read as that type.
    func checked(_ value: JSONValue, named name: String) throws -> JSONValue {
        guard let typed = converted(value) else {
            throw invalid(name, "\(article) \(type.rawValue), not \(value.shown)")
        }
        if let number = typed.doubleValue {
            if let min, number < min { throw invalid(name, "at least \(Self.text(min))") }
            if let max, number > max { throw invalid(name, "at most \(Self.text(max))") }
        }
        if let allowed = `enum`, !allowed.contains(typed) {
            throw invalid(name, "one of " + allowed.map { $0.stringValue ?? (try? MillraceJSON.string($0)) ?? "" }.joined(separator: ", "))
        }
        return typed
    }

    private var article: String { type == .integer ? "an" : "a" }

    private func invalid(_ name: String, _ demand: String) -> MillraceError {
        let example = `default`.map { "; the default is \($0.shown)" } ?? ""
        return MillraceError(
            .invalidParameter, "parameter \"\(name)\" must be \(demand)", hint: (description ?? "correct \"\(name)\"") + example)
    }

    private static func text(_ number: Double) -> String {
        Int(exactly: number).map(String.init) ?? String(number)
    }

    private func converted(_ value: JSONValue) -> JSONValue? {
        switch (type, value) {
        case (.integer, .string(let text)): Int64(text).map { .integer($0) }
        case (.integer, _): value.integerValue.map { .integer(Int64($0)) }
        case (.number, .string(let text)): Double(text).flatMap { $0.isFinite ? .number($0) : nil }
        case (.number, _): value.doubleValue.map { .number($0) }
        case (.boolean, .string("true")), (.boolean, .bool(true)): .bool(true)
        case (.boolean, .string("false")), (.boolean, .bool(false)): .bool(false)
        case (.string, .string): value
        default: nil
        }
    }
}

extension JSONValue {
    /// The value in an error message: as JSON, cut when it is long.
    fileprivate var shown: String {
        let text = (try? MillraceJSON.string(self)) ?? typeName
        return text.count > 60 ? text.prefix(57) + "..." : text
    }
}

extension ModelManifest {
    /// Checks what a client gave against what the model declares, and fills in the defaults.
    ///
    /// - Throws: `unknown_parameter` (with the nearest known name), `missing_parameter` or `invalid_parameter`.
    public func checkedParameters(_ given: [String: JSONValue]) throws -> [String: JSONValue] {
        var result: [String: JSONValue] = [:]
        for (name, value) in given.sorted(by: { $0.key < $1.key }) {
            guard let declaration = parameters[name] else { throw unknown(name) }
            result[name] = try declaration.checked(value, named: name)
        }
        for (name, declaration) in parameters where result[name] == nil {
            if let value = declaration.default {
                result[name] = value
            } else if declaration.required {
                throw MillraceError(.missingParameter, "parameter \"\(name)\" is required", hint: declaration.description)
            }
        }
        return result
    }

    private func unknown(_ name: String) -> MillraceError {
        let known = parameters.keys.sorted()
        let hint =
            if let near = Spelling.nearest(to: name, in: known) { "did you mean \"\(near)\"?" }
            else if known.isEmpty { "this endpoint takes no parameters" }
            else { "this endpoint takes: " + known.joined(separator: ", ") }
        return MillraceError(.unknownParameter, "unknown parameter \"\(name)\"", hint: hint)
    }
}
