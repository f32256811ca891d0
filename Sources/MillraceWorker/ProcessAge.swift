import Foundation

/// How long this process has run, its loading and all that came before its first statement included.
enum ProcessAge {
    /// To a hundredth of a second, as the kernel counts; zero where it does not tell.
    ///
    /// Source: `proc_pid_stat(5)`, field 22, in clock ticks since boot.
    static func current() -> Duration {
        guard let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8), let name = stat.lastIndex(of: ")") else { return .zero }
        // The name may have spaces; behind it the fields begin with the third.
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        guard fields.count > 19, let ticks = Int64(fields[19]) else { return .zero }
        var now = timespec()
        guard clock_gettime(CLOCK_BOOTTIME, &now) == 0 else { return .zero }
        let perSecond = Int64(sysconf(Int32(_SC_CLK_TCK)))
        let begun = Duration.milliseconds(ticks * 1000 / max(perSecond, 1))
        let age = Duration.seconds(now.tv_sec) + .nanoseconds(now.tv_nsec) - begun
        return max(age, .zero)
    }
}
