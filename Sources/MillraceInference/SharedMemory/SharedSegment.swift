import CSharedMemory
import Foundation
import MillraceCore

/// Memory that this process shares with a handler: a file without a name, which nobody has to remove. It is gone with the last process
/// that has it open, however that process ends.
///
/// Sealed before anybody else sees it, so that no reader meets bytes that change, or a file that has become shorter.
public final class SharedSegment: Sendable {
    public let byteCount: Int
    private let descriptor: Int32
    /// Gives the room back when the segment goes.
    private let share: Gate.Share?

    private init(descriptor: Int32, byteCount: Int, share: Gate.Share?) {
        self.descriptor = descriptor
        self.byteCount = byteCount
        self.share = share
    }

    deinit { close(descriptor) }

    /// Where another process of the same user and the same process namespace opens it, for reading, as long as this object lives.
    public var path: String { "/proc/\(getpid())/fd/\(descriptor)" }

    /// Makes a segment of `byteCount` bytes (at least 1), which `fill` writes.
    /// - Throws: `out_of_memory` when the system has no room; what `fill` throws.
    public static func make(
        byteCount: Int, share: Gate.Share? = nil, fill: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws -> SharedSegment {
        let descriptor = millrace_memory_file_make("millrace")
        guard descriptor >= 0 else { throw noRoom(for: byteCount) }
        let segment = SharedSegment(descriptor: descriptor, byteCount: byteCount, share: share)
        guard ftruncate(descriptor, byteCount) == 0,
            let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), address != MAP_FAILED
        else { throw noRoom(for: byteCount) }
        do {
            defer { munmap(address, byteCount) }
            try fill(UnsafeMutableRawBufferPointer(start: address, count: byteCount))
        }
        // Only now: a mapping that can be written is in the way.
        guard millrace_memory_file_seal(descriptor) == 0 else { throw noRoom(for: byteCount) }
        return segment
    }

    /// Opens a segment of another process by its ``path``.
    /// - Returns: `nil` when there is none, or it is not sealed.
    public static func open(path: String) -> SharedSegment? {
        guard isPath(path) else { return nil }
        // Not blocking: behind such a path there may be a pipe.
        let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard millrace_memory_file_is_sealed(descriptor), fstat(descriptor, &status) == 0 else {
            close(descriptor)
            return nil
        }
        return SharedSegment(descriptor: descriptor, byteCount: Int(status.st_size), share: nil)
    }

    /// Calls `body` with a part of the bytes, which must lie in the segment.
    /// - Throws: `out_of_memory` when it cannot be mapped; what `body` throws.
    public func withBytes<Value>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Value) throws -> Value {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "the part lies in the segment")
        guard !range.isEmpty else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        guard let address = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0), address != MAP_FAILED else {
            throw Self.noRoom(for: byteCount)
        }
        defer { munmap(address, byteCount) }
        return try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(start: address, count: byteCount)[range]))
    }

    /// `/proc/<number>/fd/<number>`.
    private static func isPath(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 5 && parts[0].isEmpty && parts[1] == "proc" && parts[3] == "fd"
            && [parts[2], parts[4]].allSatisfy { (1...10).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }
    }

    private static func noRoom(for byteCount: Int) -> JobFailure {
        JobFailure(.outOfMemory, "\(byteCount) bytes of shared memory cannot be had: \(String(cString: strerror(errno)))", retryable: true)
    }
}

/// A dense array in a ``SharedSegment``, in row-major order and the machine's byte order.
public struct SharedTensor: Sendable, Equatable {
    public var segment: SharedSegment
    public var element: Tensor.Element
    /// The length of each axis, outermost first.
    public var shape: [Int]
    /// Where it begins in the segment.
    public var offset: Int

    public init(segment: SharedSegment, element: Tensor.Element, shape: [Int], offset: Int) {
        self.segment = segment
        self.element = element
        self.shape = shape
        self.offset = offset
    }

    public var byteCount: Int { shape.reduce(1, *) * element.byteCount }

    public static func == (a: SharedTensor, b: SharedTensor) -> Bool {
        a.segment === b.segment && a.element == b.element && a.shape == b.shape && a.offset == b.offset
    }
}
