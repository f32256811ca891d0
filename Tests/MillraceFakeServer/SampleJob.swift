import Foundation
import MillraceCore
import MillraceWire

/// Jobs as a server would show them.
public enum SampleJob {
    public static let id = JobID("01931d7f-7f4c-7000-8000-000000000001")!
    public static let createdAt = Timestamp(milliseconds: 1_700_000_000_000)

    public static func resource(_ state: JobState = .queued, change: (inout Job) -> Void = { _ in }) -> JobResource {
        var job = Job(id: id, tenant: "default", endpoint: "ocr", createdAt: createdAt)
        job.state = state
        if state != .queued { job.startedAt = createdAt + .seconds(1) }
        if state.isFinal { job.finishedAt = createdAt + .seconds(13) }
        change(&job)
        return JobResource(job, now: createdAt + .seconds(20))
    }

    public static func json(_ state: JobState = .queued, change: (inout Job) -> Void = { _ in }) -> String {
        (try? MillraceJSON.string(resource(state, change: change))) ?? ""
    }

    /// One server-sent event.
    public static func event(_ sequence: Int, _ name: String, _ fields: String) -> String {
        "id: \(sequence)\nevent: \(name)\ndata: {\"at\":\"2026-11-21T10:00:0\(sequence % 10).000Z\",\(fields)}\n\n"
    }
}
