import Testing

@testable import MillraceGateway

@Suite struct PrometheusTextTests {
    @Test(arguments: [
        ("a\"b\\c\nd", #"a\"b\\c\nd"#), ("\"\u{301}", "\\\"\u{301}"), ("\\\u{301}", "\\\\\u{301}"), ("a\r\nb", "a\r\\nb"), ("é日😀", "é日😀"),
    ])
    func `a label's value cannot end its quotes or its line, whatever combines with them`(value: String, written: String) {
        #expect(Array(PrometheusText.labels(["name": value]).utf8) == Array("{name=\"\(written)\"}".utf8))
    }
}
