import AsyncHTTPClient
import MillraceCore
import MillraceWire
import NIOCore
import NIOHTTP1

extension MillraceClient {
    /// Hands in a job. When this returns, the job is durable.
    ///
    /// - Parameters:
    ///   - wait: how long the server may hold its answer back for the job to end, for short jobs; at most 20 s are used.
    ///   - progress: hears of the upload, from the start again when a broken connection makes it start again.
    public func submit(
        _ submission: JobSubmission, to endpoint: String, wait: Duration? = nil, progress: UploadObserver? = nil
    ) async throws -> JobResource {
        let key = submission.idempotencyKey ?? surroundings.makeID(JobKind.self).description
        var request = HTTPExchange.Request(.POST, "/v1/endpoints/\(HTTPExchange.escaped(endpoint))/jobs")
        request.headers = [("Idempotency-Key", key)]
        if let wait { request.headers.append(("Prefer", "wait=\(Int(min(wait, Self.waitOnce).seconds.rounded(.up)))")) }
        if submission.files.isEmpty {
            try setJSON(submission, of: &request, progress: progress)
        } else {
            try await setForm(submission, of: &request, boundary: "millrace-\(surroundings.makeID(JobKind.self))", progress: progress)
        }
        return try await exchange.json(request)
    }

    private func setJSON(_ submission: JobSubmission, of request: inout HTTPExchange.Request, progress: UploadObserver?) throws {
        let json = try MillraceJSON.encode(submission.request)
        request.headers.append(("Content-Type", "application/json"))
        request.body = { .bytes(ByteBuffer(bytes: json)) }
        progress?(UploadProgress(sent: Int64(json.count), total: Int64(json.count)))
    }

    private func setForm(
        _ submission: JobSubmission, of request: inout HTTPExchange.Request, boundary: String, progress: UploadObserver?
    ) async throws {
        let form = try await MultipartForm(submission, boundary: boundary)
        request.headers.append(("Content-Type", "multipart/form-data; boundary=\(boundary)"))
        request.body = { .stream(form.bytes(progress), length: .known(form.length)) }
    }
}
