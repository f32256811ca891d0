/// One promise of a seam, checked against one implementation.
///
/// With Swift Testing: `@Test(arguments: StoreConformance.cases) func keeps(_ promise: StoreCase) async throws {
/// try await promise.run { try MyStore($0) } }`. Each case shows under its sentence.
public struct ConformanceCase<Subject: Sendable>: Sendable, CustomStringConvertible {
    /// The promise, as a sentence.
    public let description: String
    private let body: @Sendable (Subject) async throws -> Void

    init(_ description: String, _ body: @escaping @Sendable (Subject) async throws -> Void) {
        self.description = description
        self.body = body
    }

    /// - Throws: ``ConformanceFailure`` when the promise is not kept.
    public func run(_ subject: Subject) async throws {
        try await body(subject)
    }
}

/// A broken promise, with the place in the suite that noticed.
public struct ConformanceFailure: Error, CustomStringConvertible {
    public var description: String
}

func expect(_ condition: Bool, _ what: @autoclosure () -> String, file: String = #fileID, line: Int = #line) throws {
    guard condition else { throw ConformanceFailure(description: "\(file):\(line): \(what())") }
}

func expectEqual<Value: Equatable>(
    _ found: Value, _ expected: Value, _ what: @autoclosure () -> String = "", file: String = #fileID, line: Int = #line
) throws {
    try expect(found == expected, "\(what()): found \(found), expected \(expected)", file: file, line: line)
}

func require<Value>(_ value: Value?, _ what: @autoclosure () -> String, file: String = #fileID, line: Int = #line) throws -> Value {
    guard let value else { throw ConformanceFailure(description: "\(file):\(line): there is no \(what())") }
    return value
}

/// The first of what a store answered: a store under test may answer anything, so nothing is indexed unasked.
func head<Element>(of elements: [Element], file: String = #fileID, line: Int = #line) throws -> Element {
    try require(elements.first, "first of the \(Element.self)s", file: file, line: line)
}
