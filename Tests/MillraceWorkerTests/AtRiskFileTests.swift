import Foundation
import MillraceCore
import MillraceTestSupport
import MillraceWorker
import Testing

@Suite struct AtRiskFileTests {
    private let jobs = (1...6).map { JobID(high: 1 << 60, low: $0) }

    @Test func `the file says which jobs are at risk, each for as long as any of its steps is`() async throws {
        try await withTemporaryDirectory { folder in
            let path = folder.file("at-risk")
            let marks = try AtRiskFile(path: path, jobsMax: 4)
            #expect(AtRiskFile.jobs(in: path) == [])
            marks.mark([jobs[0], jobs[1]])
            marks.mark([jobs[1]])
            #expect(AtRiskFile.jobs(in: path) == [jobs[0], jobs[1]])
            marks.unmark([jobs[0], jobs[1]])
            #expect(AtRiskFile.jobs(in: path) == [jobs[1]])
            marks.unmark([jobs[1]])
            #expect(AtRiskFile.jobs(in: path) == [])
        }
    }

    @Test func `a file that has no room for all says nothing until it has`() async throws {
        try await withTemporaryDirectory { folder in
            let path = folder.file("at-risk")
            let marks = try AtRiskFile(path: path, jobsMax: 2)
            marks.mark([jobs[0], jobs[1], jobs[2]])
            #expect(AtRiskFile.jobs(in: path) == [])
            marks.unmark([jobs[2]])
            #expect(AtRiskFile.jobs(in: path) == [jobs[0], jobs[1]])
            marks.unmark([jobs[0]])
            marks.mark([jobs[3]])
            #expect(AtRiskFile.jobs(in: path) == [jobs[1], jobs[3]])
        }
    }

    @Test func `what is not such a file says nothing`() async throws {
        try await withTemporaryDirectory { folder in
            #expect(AtRiskFile.jobs(in: folder.file("none")) == [])
            for content in ["", "short", String(repeating: "x", count: 48), String(repeating: "x", count: 50)] {
                try content.write(toFile: folder.file("other"), atomically: false, encoding: .utf8)
                #expect(AtRiskFile.jobs(in: folder.file("other")) == [])
            }
        }
    }

    @Test func `a new file takes the place of an old one, and one that cannot be made is told`() async throws {
        try await withTemporaryDirectory { folder in
            let path = folder.file("at-risk")
            let old = try AtRiskFile(path: path, jobsMax: 2)
            old.mark([jobs[0]])
            let new = try AtRiskFile(path: path, jobsMax: 2)
            #expect(AtRiskFile.jobs(in: path) == [])
            withExtendedLifetime((old, new)) {}
            #expect(throws: MillraceError.self) { try AtRiskFile(path: folder.file("missing/at-risk"), jobsMax: 2) }
        }
    }

    @Test func `marks outlive a process that is killed`() async throws {
        try await withTemporaryDirectory { folder in
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = folder.file("at-risk") as String] in
                let marks = try AtRiskFile(path: path, jobsMax: 2)
                marks.mark([JobID(high: 7, low: 8), JobID(high: 9, low: 9)])
                marks.unmark([JobID(high: 9, low: 9)])
                kill(getpid(), SIGKILL)
            }
            #expect(AtRiskFile.jobs(in: folder.file("at-risk")) == [JobID(high: 7, low: 8)])
        }
    }
}
