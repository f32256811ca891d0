import MillraceInference
import MillraceText
import MillraceVision

/// Reads pages: each through the detector, then the lines of all of them through the recogniser, before it through the classifier of
/// their orientation where there is one.
///
/// Everything that computes runs in the lanes, where it stands behind what others asked for before: the lines of a page are read
/// while the next ones are looked for.
struct PageReading: Sendable {
    struct Stages: Sendable {
        var detector: TextDetector
        var orientation: OrientationClassifier?
        var recognizer: LineRecognizer
    }
    struct Page: Sendable {
        var id: ItemID
        var image: RGBImage
    }

    let stages: Stages
    let settings: OCRSettings
    let lanes: LanePool
    /// Of the device, for looking for lines.
    let share: DeviceShare
    /// Told when a lane is left without work.
    let onRoom: @Sendable () -> Void
    let isUnwanted: @Sendable (ItemID) -> Bool

    /// - Throws: ``BatchFailure``; `model_error` as ``JobFailure``.
    func outcomes(of pages: [Page]) async throws -> [ItemOutcome] {
        let (found, lines) = try await find(on: pages)
        let readings = try await read(try await inTheirWays(lines, of: found), of: found, on: pages)
        return pages.indices.map { number in
            if isUnwanted(pages[number].id) { return .cancelled }
            let kept = zip(found[number], readings[number]).compactMap { region, readings -> PageLines.Line? in
                guard let reading = readings.best, reading.line.confidence >= settings.confidenceMin else { return nil }
                let corners = (reading.isTurned ? region.turned : region).corners
                return PageLines.Line(corners: corners, text: reading.line.text, confidence: reading.line.confidence)
            }
            return .tensors(PageLines(lines: kept).tensors)
        }
    }

    /// The regions of each page, upright as far as their shape tells, and their lines, cut out.
    private func find(on pages: [Page]) async throws -> (regions: [[TextRegion]], lines: [LineRecognizer.Line]) {
        let found = try await lanes.map(pages.count) {
            if case .lane = share { onRoom() }
        } _: { number -> ([TextRegion], [LineRecognizer.Line]) in
            let page = pages[number]
            guard !isUnwanted(page.id) else { return ([], []) }
            let regions = try stages.detector.regions(on: page.image, share: share).map(\.upright)
            let lines = regions.enumerated().map {
                LineRecognizer.Line(image: stages.recognizer.line(in: $1, of: page.image), page: number, region: $0)
            }
            return (regions, lines)
        }
        return (found.map(\.0), found.flatMap(\.1))
    }

    /// The lines as they are to be read: turned over, or both ways.
    private func inTheirWays(_ lines: [LineRecognizer.Line], of regions: [[TextRegion]]) async throws -> [LineRecognizer.Line] {
        guard let classifier = stages.orientation else { return lines }
        let linesMax = settings.recognizer.linesMax
        let probabilities = try await lanes.map((lines.count + linesMax - 1) / linesMax, onRoom: onRoom) { number in
            try classifier.probabilities(of: lines[number * linesMax..<min((number + 1) * linesMax, lines.count)].map(\.image))
        }.flatMap(\.self)
        // Lines that run to the right vote among themselves, and so do those that run downwards.
        struct Group: Hashable {
            var page: Int
            var isAcross: Bool
        }
        let groups = Dictionary(grouping: lines.indices) { index in
            let corners = regions[lines[index].page][lines[index].region].corners
            return Group(page: lines[index].page, isAcross: abs(corners[1].x - corners[0].x) >= abs(corners[1].y - corners[0].y))
        }
        // By their first lines, so that the same pages make the same calls.
        return groups.values.sorted { $0[0] < $1[0] }.flatMap { members in
            LineOrientation.ways(of: members.map { lines[$0] }, members.map { probabilities[$0] }, threshold: settings.orientationThreshold)
        }
    }

    /// What was read in each region of each page.
    private func read(
        _ lines: [LineRecognizer.Line], of regions: [[TextRegion]], on pages: [Page]
    ) async throws -> [[LineOrientation.Readings]] {
        let calls = stages.recognizer.calls(for: lines)
        let texts = try await lanes.map(calls.count, onRoom: onRoom) { number -> [(LineRecognizer.Line, CTCDecoder.Line)] in
            let wanted = calls[number].lines.filter { !isUnwanted(pages[$0.page].id) }
            guard !wanted.isEmpty else { return [] }
            return Array(zip(wanted, try stages.recognizer.read(.init(width: calls[number].width, lines: wanted), share: .lane)))
        }
        var readings = regions.map { [LineOrientation.Readings](repeating: .init(), count: $0.count) }
        for (line, text) in texts.joined() {
            let way: WritableKeyPath<LineOrientation.Readings, _> = line.isWithPage ? \.withPage : \.againstPage
            readings[line.page][line.region][keyPath: way] = .init(line: text, isTurned: line.isTurned)
        }
        return readings
    }
}
