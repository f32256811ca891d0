import MillraceCore
import MillraceProcesses
import Testing

@Suite("What a process prints")
struct OutputTests {
    @Test("becomes lines however it is cut into pieces")
    func pieces() {
        var lines = OutputLines(lineBytesMax: 10)
        let actions24 = lines.append(Array("on".utf8))
        #expect(actions24 == [])
        let actions25 = lines.append(Array("e\ntwo\r\n\nth".utf8))
        #expect(actions25 == ["one", "two"])
        let actions26 = lines.finish()
        #expect(actions26 == "th")
        let actions27 = lines.finish()
        #expect(actions27 == nil)
    }

    @Test("keeps of a redrawn line what stood there last")
    func redrawn() {
        var lines = OutputLines(lineBytesMax: 100)
        let actions28 = lines.append(Array("10%\r50%\r100%\n".utf8))
        #expect(actions28 == ["100%"])
    }

    @Test("leaves a tail of whole lines")
    func tail() {
        var tail = OutputTail(bytesMax: 12)
        tail.append(Array("a long first line\n".utf8))
        tail.append(Array("second\nend\n".utf8))
        #expect(tail.text == "second\nend")
    }

    @Test("is let through at a bounded rate, and what is left out is counted")
    func rate() {
        var rate = LineRate(linesPerSecond: 2)
        let start = Timestamp(milliseconds: 0)
        let admitted = (0..<12).filter { _ in rate.admits(at: start) }.count
        #expect(admitted == 10)
        let omitted = (rate.takeOmitted(), rate.takeOmitted())
        #expect(omitted == (2, 0))
        let later = (rate.admits(at: start + .milliseconds(500)), rate.admits(at: start + .milliseconds(500)))
        #expect(later == (true, false))
    }
}
