import Foundation
import MillraceCore
import MillraceInference
import MillraceTestSupport
import MillraceWire
import Testing

@testable import MillraceRunnerProcess

@Suite struct OutputNameTests {
    @Test(arguments: ["a/b", "..", "", "../\u{301}b", "a/\u{FE0F}b", "a\nb"])
    func `an output's name that is no single component of a path is refused, whatever combines with its slashes`(name: String) async throws {
        let failure = try #require(try await failure(of: name))
        #expect(failure.code == "handler_protocol")
    }

    @Test(arguments: ["out.json", "e\u{301}.png", "a b"])
    func `any other name is taken`(name: String) async throws {
        #expect(try await failure(of: name) == nil)
    }

    private func failure(of name: String) async throws -> JobFailure? {
        try await withTemporaryDirectory { folder in
            try "x".write(toFile: folder.file("out"), atomically: false, encoding: .utf8)
            let answer = HandlerAnswer.reply(json: nil, outputs: [.init(name: name, path: folder.file("out"), mediaType: "text/plain")])
            guard case .failed(let failure) = HandlerFiles.outcome(of: answer, workdir: folder.path) else { return nil }
            return failure
        }
    }
}
