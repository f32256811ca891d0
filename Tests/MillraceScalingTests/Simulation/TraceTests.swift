import Foundation
import MillraceCore
import Testing

@testable import MillraceScaling

@Suite("Traces and histories") struct TraceTests {
    private func file(_ text: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "trace-\(UInt64.random(in: 0 ... .max))").path
        try Data(text.utf8).write(to: URL(filePath: path))
        return path
    }

    private func read(_ text: String) throws -> [Arrival] {
        let path = try file(text)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var reader = try TraceReader(path: path)
        var all: [Arrival] = []
        while let arrival = try reader.next() { all.append(arrival) }
        return all
    }

    @Test func `columns are found by their names, times from the first job on`() throws {
        let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109"
        let arrivals = try read(text)
        #expect(arrivals.map(\.outputSize) == [44, 109] && arrivals[0].at == 0)
        #expect(abs(arrivals[1].at - 4.314579) < 1e-3)
    }

    @Test(arguments: [
        ("arrival_s,output_size\n0,1\n5,x", "line 3, column 2"), ("arrival_s\n0\n9\n3", "line 4, column 1"), ("when,what\n0,1", "line 1"),
        ("arrival_s,output_size\n0", "line 2"), ("", "empty"),
    ])
    func `a fault names its line and column`(text: String, place: String) throws {
        let error = #expect(throws: MillraceError.self) { try read(text) }
        #expect(error?.message.contains(place) == true)
    }

    @Test func `the output of jobs list is a history, newest first or not`() throws {
        let path = try file(
            """
            {"jobs":[{"endpoint":"ocr","createdAt":"2026-01-01T00:01:00.000Z","startedAt":"2026-01-01T00:01:01.000Z","finishedAt":"2026-01-01T00:01:05.000Z"},
            {"endpoint":"ocr","createdAt":"2026-01-01T00:00:00.000Z"},{"endpoint":"other","createdAt":"2026-01-01T00:00:00.000Z"}]}
            """)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let history = try ArrivalHistory.read(path: path, endpoint: "ocr")
        #expect(try history.arrivals(in: path) == [Arrival(at: 0, work: 4), Arrival(at: 60, work: 4)] && !history.isPart)
    }

    @Test func `a history may be lines of jobs or of pages, and says when there are more`() throws {
        let path = try file(
            """
            {"jobs":[{"createdAt":"2026-01-01T00:02:00.000Z"}],"nextCursor":"x"}

            {"createdAt":"2026-01-01T00:01:00.000Z","startedAt":"2026-01-01T00:01:01.000Z","finishedAt":"2026-01-01T00:01:03.000Z"}
            {"jobs":[{"createdAt":"2026-01-01T00:00:00.000Z"}],"nextCursor":"y"}
            """)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let history = try ArrivalHistory.read(path: path, endpoint: nil)
        #expect(try history.arrivals(in: path).map(\.at) == [0, 60, 120] && history.isPart)
        let faulty = try file("{\"createdAt\":\"2026-01-01T00:00:00.000Z\"}\nno job\n")
        defer { try? FileManager.default.removeItem(atPath: faulty) }
        #expect(#expect(throws: MillraceError.self) { try ArrivalHistory.read(path: faulty, endpoint: nil) }?.message.contains("line 2") == true)
    }

    @Test func `what a spreadsheet writes is read: a byte-order mark, quoted names and fields`() throws {
        let arrivals = try read("\u{FEFF}\"Arrival_S\",\"what, \"\"why\"\"\",\"output_size\"\r\n\"0\",\"a,b\",\"7\"\r\n2.5,,8\r\n")
        #expect(arrivals == [Arrival(at: 0, outputSize: 7), Arrival(at: 2.5, outputSize: 8)])
    }

    @Test func `a folder is no trace`() throws {
        let error = #expect(throws: MillraceError.self) { try TraceReader(path: FileManager.default.temporaryDirectory.path) }
        #expect(error?.message.hasSuffix("is a folder") == true)
    }

    @Test func `stretching and thinning keep the order and the share`() throws {
        var source = ReshapedArrivals(ListedArrivals((0..<10_000).map { Arrival(at: Double($0)) }), stretch: 4, keep: 0.8, seed: 1)
        var kept: [Double] = []
        while let arrival = try source.next() { kept.append(arrival.at) }
        #expect(kept == kept.sorted() && abs(Double(kept.count) - 8000) < 200 && kept.allSatisfy { $0.truncatingRemainder(dividingBy: 4) == 0 })
    }

    @Test(arguments: [(500.0, 1_728_000.0), (36_000.0, 7200.0), (100_000.0, 1800.0)])
    func `made-up jobs come as often as was asked`(perHour: Double, duration: Double) {
        // A wave is right over whole days.
        for shape in Workload.Shape.allCases where shape != .diurnal || duration >= 86_400 {
            var workload = Workload(shape, perHour: perHour, duration: duration, seed: 8)
            var count = 0
            while workload.next() != nil { count += 1 }
            #expect(abs(Double(count) / (perHour * duration / 3600) - 1) < 0.06, "\(shape)")
        }
    }

    @Test(arguments: [1800.0, 21_600.0, 129_600.0])
    func `a flash comes however short the time is`(duration: Double) {
        var workload = Workload(.flash, perHour: 2000, duration: duration, seed: 8)
        var inFlash = 0
        var count = 0
        let period = duration > 100_000 ? duration / 2 : duration
        while let arrival = workload.next() {
            count += 1
            if abs(arrival.at.truncatingRemainder(dividingBy: period) - period / 2) <= min(300, period / 20) { inFlash += 1 }
        }
        #expect(Double(inFlash) / Double(count) > 0.85)
    }
}
