import Foundation

/// What of this process is in memory, in megabytes: now, and the most that ever was.
struct ProcessMemory {
    var nowMB: Double
    var mostMB: Double

    static func read() -> ProcessMemory {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        func megabytes(_ name: String) -> Double {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
            let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }
            return ((kilobytes ?? .nan) / 1024 * 10).rounded() / 10
        }
        return ProcessMemory(nowMB: megabytes("VmRSS:"), mostMB: megabytes("VmHWM:"))
    }
}
