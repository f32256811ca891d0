import AsyncHTTPClient
import Foundation
import MillraceCore
import MillraceInference
import NIOCore
import NIOHTTP1

/// Sends one job to a model server and makes an outcome of what it answers.
struct ServerExchange: Sendable {
    enum End: Sendable {
        case outcome(ItemOutcome)
        case fault(ConnectionFault)
    }

    /// What SageMaker passes on to a container as it came: at most 1,024 visible ASCII characters.
    static let attributesHeader = "X-Amzn-SageMaker-Custom-Attributes"
    static let attributesMax = 1024
    /// An attempt has no limit but its endpoint's `runLimit`, which cancels the request.
    private static let forever: TimeAmount = .hours(24 * 365)

    let client: HTTPClient
    let dialect: ServerDialect
    let answerBytesMax: Int64
    let answerInMemoryMax: Int
    let surroundings: Surroundings

    func send(_ job: HandlerRequest, to url: String) async -> End {
        do {
            let request = try request(for: job, to: url)
            let response = try await client.execute(request, timeout: Self.forever)
            guard (200..<300).contains(response.status.code) else {
                return .outcome(.failed(await ServerRefusal(response, at: surroundings.now()).failure))
            }
            var answer = ServerAnswer(response, bytesMax: answerBytesMax, inMemoryMax: answerInMemoryMax, workdir: job.workdir)
            for try await buffer in response.body { try answer.take(buffer) }
            return .outcome(.reply(try answer.finish()))
        } catch let failure as JobFailure {
            return .outcome(.failed(failure))
        } catch {
            return Task.isCancelled ? .outcome(.cancelled) : .fault(ConnectionFault(error))
        }
    }

    private func request(for job: HandlerRequest, to url: String) throws(JobFailure) -> HTTPClientRequest {
        let content = try RequestContent(job, dialect)
        var request = HTTPClientRequest(url: url + dialect.workPath)
        request.method = .POST
        request.headers = ["Accept": "*/*", "X-Millrace-Job": "\(job.job)", "X-Millrace-Attempt": "\(job.attempt)"]
        if let mediaType = content.mediaType { request.headers.add(name: "Content-Type", value: mediaType) }
        if dialect == .invocations, let parameters = job.parametersText {
            let attributes = parameters.asHeader
            guard attributes.utf8.count <= Self.attributesMax else {
                throw JobFailure(
                    .invalidParameter, "the parameters have \(attributes.utf8.count) bytes as JSON, more than the \(Self.attributesMax) of a header",
                    hint: "send what is long as a part of the input")
            }
            request.headers.add(name: Self.attributesHeader, value: attributes)
        }
        request.body = try content.body()
        return request
    }
}
