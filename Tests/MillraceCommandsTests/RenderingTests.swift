import MillraceCore
import Testing

@testable import MillraceCommands

@Suite("Rendering")
struct RenderingTests {
    @Test("a progress bar fits any width and never overflows")
    func bars() {
        let bar = ProgressBar(label: "ocr  running", fraction: 3.0 / 7, details: ["3/7 pages", "42 %", "12 s", "attempt 2"])
        #expect(bar.rendered(width: 100) == "ocr  running  [============>                 ]  3/7 pages  42 %  12 s  attempt 2")
        #expect(bar.rendered(width: 60) == "ocr  running  [====>     ]  3/7 pages  42 %  12 s  attempt 2")
        #expect(bar.rendered(width: 40) == "ocr  running  [===>   ]  3/7 pages  42 %")
        #expect(bar.rendered(width: 24) == "ocr  running  3/7 pages")
        #expect(bar.rendered(width: 14) == "ocr  running")
        for width in 1...120 { #expect(TerminalText.width(bar.rendered(width: width)) <= width) }
    }

    @Test("a bar without a total says what is known")
    func openBar() {
        let bar = ProgressBar(label: "train  running", fraction: nil, details: ["12 epochs", "loss 0.31", "1:07"])
        #expect(bar.rendered(width: 80) == "train  running  12 epochs  loss 0.31  1:07")
        #expect(ProgressBar(label: "x", fraction: 1, details: []).rendered(width: 20) == "x  [===============]")
    }

    @Test("a table is aligned, and its flexible columns give way")
    func tables() {
        var table = Table([.init("NAME"), .init("COUNT", right: true), .init("TEXT", flexible: true)])
        table.rows = [["ocr", "7", "a rather long remark"], ["日本", "1234", "short"]]
        #expect(
            table.rendered(width: nil) == [
                "NAME  COUNT  TEXT", "ocr       7  a rather long remark", "日本   1234  short",
            ])
        #expect(table.rendered(width: 24)[1] == "ocr       7  a rather...")
        #expect(table.rendered(width: 5)[1] == "ocr       7  a rat...")
    }

    @Test("colour only repeats what the words say")
    func colour() {
        var table = Table([.init("STATE")])
        table.rows = [["failed"]]
        table.paint = { _, text in Paint.red(text, true) }
        #expect(table.rendered(width: nil)[1] == "\u{1B}[31mfailed\u{1B}[0m")
        #expect(Paint.red("x", false) == "x")
    }

    @Test("nothing that comes from outside can command the terminal")
    func safe() {
        #expect(TerminalText.safe("a\u{1B}[2Jb\rc\u{202E}d\te") == "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d\te")
        var table = Table([.init("X")])
        table.rows = [["\u{1B}]0;title\u{7}"]]
        #expect(!table.rendered(width: nil)[1].contains("\u{1B}"))
    }

    @Test("quantities read as people write them")
    func quantities() {
        #expect([0, 999, 1000, 9940, 9960, 999_499, 1_156_366, 50_000_000_000].map(Quantities.bytes) == [
            "0 B", "999 B", "1 kB", "9.9 kB", "10 kB", "999 kB", "1.2 MB", "50 GB",
        ])
        #expect([0.04, 0.4, 9.94, 9.96, 59.4, 67, 3723].map { Quantities.duration(.seconds($0)) } == [
            "0 s", "0.4 s", "9.9 s", "10 s", "59 s", "1:07", "1:02:03",
        ])
        #expect([0, 2, 0.31256, -1.5, 1e20, .infinity].map { Quantities.number($0) } == ["0", "2", "0.313", "-1.5", "1e+20", "inf"])
        #expect([5, 65, 7300, 200_000].map { Quantities.age(.seconds($0)) } == ["5 s ago", "1 min ago", "2 h ago", "2 d ago"])
    }

    @Test("a job's plain lines come when there is something new to say")
    func plainLines() {
        var view = JobView(title: "ocr", at: SampleTime.at(0))
        var lines: [String?] = []
        func tell(_ second: Int, _ detail: JobEvent.Detail) {
            lines.append(view.apply(JobEvent(sequence: Int64(second), job: JobID(high: 0, low: 0), at: SampleTime.at(second), detail: detail)))
        }
        tell(0, .state(.init(state: .queued, attempt: 0, reason: "submitted")))
        tell(1, .state(.init(state: .running, attempt: 1, reason: "leased")))
        tell(2, .progress(.init(done: 1, total: 100, unit: "pages")))
        tell(3, .progress(.init(done: 2, total: 100, unit: "pages")))
        tell(4, .progress(.init(done: 15, total: 100, unit: "pages", metrics: ["loss": 0.123456])))
        tell(15, .progress(.init(done: 16, total: 100, unit: "pages")))
        tell(16, .state(.init(state: .queued, attempt: 1, reason: "retry after handler_error")))
        tell(17, .state(.init(state: .running, attempt: 2, reason: "leased")))
        tell(18, .state(.init(state: .succeeded, attempt: 2, reason: "completed")))
        #expect(
            lines == [
                "ocr: queued", "ocr: running", "ocr: 1/100 pages, 1 %", nil, "ocr: 15/100 pages, 15 %, loss 0.1235",
                "ocr: 16/100 pages, 16 %", "ocr: queued again (retry after handler_error)", "ocr: running, attempt 2", "ocr: succeeded",
            ])
    }
}

enum SampleTime {
    static func at(_ second: Int) -> Timestamp { Timestamp(milliseconds: 1_700_000_000_000 + Int64(second) * 1000) }
}
