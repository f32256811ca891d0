import MillraceCore
import MillraceInference
import Testing

@testable import MillraceWorker

@Suite struct InlineOutputTests {
    @Test func `small text goes with the report`() {
        let outputs = [output("a.json", "application/json", "{}"), output("b.csv", "text/csv", "x,y\n")]
        #expect(InlineOutput.leading(outputs) == [
            InlineOutput(name: "a.json", mediaType: "application/json", text: "{}"),
            InlineOutput(name: "b.csv", mediaType: "text/csv", text: "x,y\n"),
        ])
    }

    @Test func `large ones, other types and what is no text do not`() {
        #expect(InlineOutput.leading([output("a", "text/plain", String(repeating: "x", count: 4096))]).count == 1)
        #expect(InlineOutput.leading([output("a", "text/plain", String(repeating: "x", count: 4097))]).isEmpty)
        #expect(InlineOutput.leading([output("a", "image/png", "x")]).isEmpty)
        #expect(InlineOutput.leading([.init(name: "a", mediaType: "text/plain", content: .bytes([0xFF]))]).isEmpty)
        #expect(InlineOutput.leading([.init(name: "a", mediaType: "text/plain", content: .file(path: "/a"))]).isEmpty)
    }

    @Test func `none overtakes one that does not`() {
        let outputs = [output("a", "text/plain", "x"), output("b", "image/png", "x"), output("c", "text/plain", "x")]
        #expect(InlineOutput.leading(outputs).map(\.name) == ["a"])
    }

    @Test func `all together are small`() {
        let outputs = (1...5).map { output("\($0)", "text/plain", String(repeating: "x", count: 1000)) }
        #expect(InlineOutput.leading(outputs).count == 4)
    }

    private func output(_ name: String, _ type: String, _ text: String) -> PipelineOutput {
        PipelineOutput(name: name, mediaType: type, content: .bytes(Array(text.utf8)))
    }
}
