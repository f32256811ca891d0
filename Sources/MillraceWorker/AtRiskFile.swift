import Foundation
import MillraceCore
import MillraceInference
import Synchronization

/// Which jobs are in code that may crash right now, in a small file that is mapped into memory: what is written there is in the
/// system's hands at once and outlives the process, however it ends. Nothing of it outlives the machine, and nothing has to.
///
/// The file, in the machine's byte order: 8 bytes that say what it is, 8 bytes with the number of jobs that found no place, and then
/// places of 16 bytes, each the id of a job or zero.
public final class AtRiskFile: RiskMarks {
    private struct State {
        /// Where each job is, and how many of its steps are at risk.
        var jobs: [JobID: (place: Int, steps: Int)] = [:]
        var free: [Int]
        /// Steps of jobs that found no place. While there are any, the file does not say all.
        var homeless: [JobID: Int] = [:]
    }

    private static let kind: UInt64 = 0x3152_5f54_415f_524d
    private static let headBytes = 16
    private static let placeBytes = 16

    private let state: Mutex<State>
    private let bytes: Int
    // The mapping; written under the state's lock alone.
    nonisolated(unsafe) private let memory: UnsafeMutableRawPointer

    /// Makes the file, empty; one that is there is lost.
    /// - Throws: `storage_full` when it cannot be made.
    public init(path: String, jobsMax: Int) throws {
        state = Mutex(State(free: Array((0..<jobsMax).reversed())))
        bytes = Self.headBytes + jobsMax * Self.placeBytes
        unlink(path)
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.fault(path, errno) }
        defer { close(descriptor) }
        // All of it now: writing to a mapped file that the disk has no room for kills the process.
        let status = posix_fallocate(descriptor, 0, off_t(bytes))
        guard status == 0 else { throw Self.fault(path, status) }
        guard let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED else {
            throw Self.fault(path, errno)
        }
        self.memory = memory
        memory.storeBytes(of: Self.kind, as: UInt64.self)
    }

    deinit { munmap(memory, bytes) }

    public func mark(_ jobs: [JobID]) {
        state.withLock { state in
            for job in jobs {
                if let steps = state.jobs[job]?.steps {
                    state.jobs[job]!.steps = steps + 1
                } else if let place = state.free.popLast() {
                    state.jobs[job] = (place, 1)
                    write(job.high, job.low, at: place)
                } else {
                    state.homeless[job, default: 0] += 1
                }
            }
            tellHomeless(state)
        }
    }

    public func unmark(_ jobs: [JobID]) {
        state.withLock { state in
            for job in jobs {
                if let known = state.jobs[job] {
                    state.jobs[job]!.steps -= 1
                    guard known.steps == 1 else { continue }
                    state.jobs[job] = nil
                    state.free.append(known.place)
                    write(0, 0, at: known.place)
                } else if let steps = state.homeless[job] {
                    state.homeless[job] = steps > 1 ? steps - 1 : nil
                }
            }
            tellHomeless(state)
        }
    }

    /// The jobs that were at risk when the file's worker died; none when the file does not say.
    public static func jobs(in path: String) -> Set<JobID> {
        guard let content = FileManager.default.contents(atPath: path), content.count >= headBytes,
            (content.count - headBytes) % placeBytes == 0
        else { return [] }
        return content.withUnsafeBytes { content in
            func word(_ index: Int) -> UInt64 { content.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self) }
            guard word(0) == kind, word(1) == 0 else { return [] }
            let places = (content.count - headBytes) / placeBytes
            return Set((0..<places).map { JobID(high: word(2 + 2 * $0), low: word(3 + 2 * $0)) }.filter { $0 != JobID(high: 0, low: 0) })
        }
    }

    private func write(_ high: UInt64, _ low: UInt64, at place: Int) {
        let start = Self.headBytes + place * Self.placeBytes
        memory.storeBytes(of: high, toByteOffset: start, as: UInt64.self)
        memory.storeBytes(of: low, toByteOffset: start + 8, as: UInt64.self)
    }

    private func tellHomeless(_ state: State) {
        memory.storeBytes(of: UInt64(state.homeless.count), toByteOffset: 8, as: UInt64.self)
    }

    private static func fault(_ path: String, _ number: Int32) -> MillraceError {
        MillraceError(.storageFull, "cannot make \(path): \(String(cString: strerror(number)))")
    }
}
