import Foundation
import MillraceCore
import Testing

@testable import MillraceInference

@Suite struct SharedSegmentTests {
    @Test func `what was written is read through the path by whoever opens it, and stays when the maker is done with it`() throws {
        var made: SharedSegment? = try SharedSegment.make(byteCount: 5) { $0.copyBytes(from: [1, 2, 3, 4, 5]) }
        let path = try #require(made?.path)
        let opened = try #require(SharedSegment.open(path: path))
        made = nil
        #expect(opened.byteCount == 5)
        #expect(try opened.withBytes(1..<4) { Array($0) } == [2, 3, 4])
        #expect(try opened.withBytes(5..<5) { $0.count } == 0)
    }

    @Test func `its share of the room comes back with the segment`() async throws {
        let room = Gate(limit: 4)
        var segment: SharedSegment? = try SharedSegment.make(byteCount: 4, share: try await room.share(4)) { $0[0] = 1 }
        let next = Task { _ = try await room.share(4) }
        while room.waiting == 0 { await Task.yield() }
        withExtendedLifetime(segment) {}
        segment = nil
        try await next.value
    }

    @Test(arguments: ["/etc/hostname", "/proc/self/fd/0", "/proc/1/fd/x", "/proc/1/fd/3/..", "/proc//fd/3", ""])
    func `what is no path of a segment is not opened`(path: String) {
        #expect(SharedSegment.open(path: path) == nil)
    }

    @Test func `an ordinary file behind such a path is refused, for it could change under its reader`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "millrace-\(UInt64.random(in: 0...UInt64.max))")
        try Data("secret".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let handle = try FileHandle(forReadingFrom: file)
        #expect(SharedSegment.open(path: "/proc/\(getpid())/fd/\(handle.fileDescriptor)") == nil)
    }
}
