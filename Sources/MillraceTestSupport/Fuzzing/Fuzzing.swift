import Foundation
import MillraceCore

/// Many changed samples for one parser: none may end the process, break a promise or bring an error that is not documented.
///
/// A run is told by its seed, and each of its inputs by its number, so that one can be repeated alone:
/// `MILLRACE_FUZZ_SEED=7 MILLRACE_FUZZ_INPUT=123 swift test --skip-build --filter CoreFuzzTests`; its bytes then stand in
/// `$TMPDIR/millrace-fuzz-USER-NAME.input`. `MILLRACE_FUZZ_SECONDS` makes a run longer. To be called in a process of its own (an
/// exit test): what kills it is then a finding and not the end of all tests.
public struct Fuzzing: Sendable {
    /// A promise that an input broke.
    public struct Finding: Error, CustomStringConvertible {
        public var description: String
        public init(_ description: String) { self.description = description }
    }

    public let name: String
    private let samples: [[UInt8]]
    private let tokens: [[UInt8]]
    private let inputs: Int

    /// - Parameter inputs: of a short run, of some seconds at most.
    public init(_ name: String, samples: [[UInt8]], tokens: [String] = [], inputs: Int) {
        self.name = name
        self.samples = samples
        self.tokens = tokens.map { Array($0.utf8) }
        self.inputs = inputs
    }

    /// An input that takes longer ends the process, so that an endless loop is a finding too.
    private static let secondsMax: UInt32 = 120

    /// Gives each input to `check`, with chance for what else it needs.
    /// - Throws: ``Finding`` for the first input for which it threw.
    public func run(_ check: (_ input: [UInt8], _ random: inout SplitMix64) throws -> Void) throws {
        let place = Place(of: name)
        let only = Self.number("MILLRACE_FUZZ_INPUT")
        let begun = Surroundings.system.now()
        let limit = Self.number("MILLRACE_FUZZ_SECONDS").map { Duration.seconds(Int64($0)) }
        var count: UInt64 = only ?? 0
        while true {
            place.note(count)
            alarm(Self.secondsMax)
            var mutator = Mutator(seed: Self.seed &* 0x1_0000_0001 &+ count, samples: samples, tokens: tokens)
            var random = SplitMix64(seed: ~Self.seed &+ count)
            let input = mutator.next()
            if only != nil { place.keep(input) }
            do {
                try check(input, &random)
            } catch {
                place.note("\(error)")
                throw Finding("\(error)\n\(Self.repetition(of: count))")
            }
            count += 1
            if only != nil { break }
            if let limit { if Surroundings.system.now().since(begun) > limit { break } } else if count >= UInt64(inputs) { break }
        }
        alarm(0)
        place.report(inputs: count, seconds: Surroundings.system.now().since(begun).seconds)
    }

    /// What the last run of this name found, and how to repeat the input at which it ended.
    ///
    /// An exit test ends alike (SIGILL) for an error that it throws and for a trap, and says nothing of either.
    public static func lastInput(of name: String) -> String {
        let (input, finding) = Place.last(of: name)
        return "\(name): \(finding ?? "the process was killed, without a word") at input number \(input); \(repetition(of: input))"
    }

    private static var seed: UInt64 { number("MILLRACE_FUZZ_SEED") ?? 1 }

    private static func repetition(of input: UInt64) -> String {
        "repeat it with MILLRACE_FUZZ_SEED=\(seed) MILLRACE_FUZZ_INPUT=\(input)"
    }

    private static func number(_ variable: String) -> UInt64? {
        testEnvironment[variable].flatMap { UInt64($0) }
    }
}

// lint: a test has nobody above it who could hand the value down.
private let testEnvironment = ProcessInfo.processInfo.environment

/// Where a run says how far it is and what it found, so that this is known when its process has died: a number of 8 bytes, then words.
private struct Place: ~Copyable {
    private let descriptor: Int32
    private let name: String

    init(of name: String) {
        self.name = name
        descriptor = open(Self.path(of: name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    }

    deinit { close(descriptor) }

    func note(_ input: UInt64) {
        _ = withUnsafeBytes(of: input) { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    func note(_ finding: String) {
        let words = Array(finding.utf8)
        _ = pwrite(descriptor, words, words.count, off_t(MemoryLayout<UInt64>.size))
    }

    /// For whoever looks into one input.
    func keep(_ input: [UInt8]) { try? Data(input).write(to: URL(filePath: Self.path(of: name) + ".input")) }

    /// One line for `make fuzz`.
    func report(inputs: UInt64, seconds: Double) {
        guard let folder = testEnvironment["MILLRACE_FUZZ_FOLDER"] else { return }
        let report = open(folder + "/report", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard report >= 0 else { return }
        let line = Array("\(name) \(inputs) \(seconds)\n".utf8)
        _ = write(report, line, line.count)
        close(report)
    }

    static func last(of name: String) -> (input: UInt64, finding: String?) {
        guard let data = FileManager.default.contents(atPath: path(of: name)), data.count >= 8 else { return (0, nil) }
        let input = data.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        return (input, data.count > 8 ? String(decoding: data.dropFirst(8), as: UTF8.self) : nil)
    }

    private static func path(of name: String) -> String {
        (testEnvironment["MILLRACE_FUZZ_FOLDER"] ?? FileManager.default.temporaryDirectory.path) + "/millrace-fuzz-\(geteuid())-\(name)"
    }
}
