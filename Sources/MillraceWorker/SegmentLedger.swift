import MillraceCore

/// The stored segments of a job's outputs, cut by cut.
///
/// A long job makes a cut every few seconds. So that its checkpoint stays small, eight neighbours of one level are merged into one of
/// the next: after n cuts there are at most 7 for each power of eight in n, and each byte was copied log8(n) times.
struct SegmentLedger: Sendable, Equatable {
    /// A stored part of one output, and where its bytes are on this machine.
    struct Segment: Sendable, Equatable {
        var file: JobFile
        var path: String
    }
    struct Cut: Sendable, Equatable {
        /// One of each output, in their order.
        var segments: [Segment]
        /// How often it was merged.
        var level: Int
    }

    static let mergedAtOnce = 8
    private(set) var cuts: [Cut] = []

    mutating func append(_ segments: [Segment]) {
        cuts.append(Cut(segments: segments, level: 0))
    }

    /// The newest cuts, when they are to become one.
    var due: ArraySlice<Cut>? {
        let newest = cuts.suffix(Self.mergedAtOnce)
        guard newest.count == Self.mergedAtOnce, newest.allSatisfy({ $0.level == newest.last?.level }) else { return nil }
        return newest
    }

    /// Puts one cut in the place of those that are ``due``.
    mutating func merge(into segments: [Segment]) {
        guard let due else { return }
        cuts.replaceSubrange(due.indices, with: [Cut(segments: segments, level: due[due.startIndex].level + 1)])
    }

    /// The segments of one output, in order.
    func segments(ofOutput index: Int) -> [Segment] { cuts.map { $0.segments[index] } }
}

// As a checkpoint: the segments in one list, and beside the task's position what tells them apart.
extension SegmentLedger {
    /// - Parameter model: the model's version: what another one made is not gone on with.
    func checkpoint(at position: JSONValue, model: String) -> JobCheckpoint {
        JobCheckpoint(
            position: ["at": position, "model": .string(model), "levels": .array(cuts.map { .integer(Int64($0.level)) })],
            segments: cuts.flatMap { $0.segments.map(\.file) })
    }

    /// - Returns: `nil` when the checkpoint is another model's, or none that a ledger wrote.
    init?(segments: [Segment], position: JSONValue, model: String) {
        guard position["model"]?.stringValue == model, let levels = position["levels"]?.arrayValue?.compactMap(\.integerValue),
            !levels.isEmpty, segments.count.isMultiple(of: levels.count), segments.count >= levels.count
        else { return nil }
        let width = segments.count / levels.count
        cuts = levels.enumerated().map { index, level in
            Cut(segments: Array(segments[(index * width)..<((index + 1) * width)]), level: level)
        }
    }
}
