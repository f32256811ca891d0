import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceGateway

@Suite struct GatewayFuzzTests {
    @Test func `a form is refused with a known code, or has the same parts however its bytes come`() async {
        let done = await #expect(processExitsWith: .success) { try fuzzForms() }
        if done == nil { Issue.record("\(Fuzzing.lastInput(of: "multipart"))") }
    }
}

private func fuzzForms() throws {
    let plain = """
        --b0undary\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n--b0undary\r\n\
        Content-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\u{1}\u{2}--b0undar\r\n--b0undary--\r\n
        """
    let odd = """
        preamble\r\n--b0undary \t\r\ncontent-disposition:form-data;name=x;filename*=UTF-8''%e2%82%ac.pdf\r\n\r\n\r\n--b0undary\r\n\
        Content-Disposition: form-data; name="a\\"b"\r\nContent-Transfer-Encoding: binary\r\n\r\n\r\n\r\n--b0undary--epilogue
        """
    let tokens = ["\r\n--b0undary", "--b0undary--", "\r\n\r\n", "--", "\r", "\n", "; name=", "\"", "\\", "%", "filename*=", ":", "b0undary"]
    try Fuzzing("multipart", samples: [plain, odd].map { Array($0.utf8) }, tokens: tokens, inputs: 5_000).run { input, random in
        let whole = try parts(of: input, pieces: { input.count })
        let pieces = try parts(of: input) { 1 + Int(random.next() % 40) }
        guard whole == pieces else { throw Fuzzing.Finding("in one piece \(whole), in many \(pieces)") }
    }
}

private enum Parse: Equatable {
    case refused(String)
    case parts([MultipartParserTests.Part])
}

private func parts(of body: [UInt8], pieces: () -> Int) throws -> Parse {
    var parser = try MultipartParser(boundary: "b0undary")
    var parts: [MultipartParserTests.Part] = []
    var (isOpen, rest) = (false, body[...])
    do {
        while true {
            switch try parser.next() {
            case .beginPart(let header):
                guard !isOpen else { throw Fuzzing.Finding("a part inside a part") }
                isOpen = true
                parts.append(.init(header: header))
            case .bytes(let bytes):
                guard isOpen, !bytes.isEmpty else { throw Fuzzing.Finding("bytes outside of a part, or none") }
                parts[parts.count - 1].bytes += bytes
            case .endPart:
                guard isOpen else { throw Fuzzing.Finding("the end of no part") }
                isOpen = false
            case .end: return .parts(parts)
            case .needsBytes:
                guard !rest.isEmpty else {
                    try parser.finish()
                    return .parts(parts)
                }
                let piece = rest.prefix(max(1, pieces()))
                parser.append(piece)
                rest = rest.dropFirst(piece.count)
            }
        }
    } catch let error as MillraceError where error.code == .malformedRequest || error.code == .tooManyFiles {
        // The message may name what was seen so far.
        return .refused(error.code.rawValue)
    }
}
