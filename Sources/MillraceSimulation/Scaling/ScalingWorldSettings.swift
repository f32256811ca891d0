import MillraceCore
import MillraceScaling

public struct ScalingWorldSettings: Sendable {
    public var days = 1000
    public var jobsPerDay = 20
    /// Machines that the provider has.
    public var room = 8
    public var boot: Duration = .seconds(180)
    public var load: Duration = .seconds(60)
    public var work: ClosedRange<Duration> = .seconds(2)...(.seconds(240))
    /// Mean time between two things that go wrong.
    public var disturbEvery: Duration = .seconds(3 * 3600)
    public var scaling: ScalingConfiguration = {
        var scaling = ScalingConfiguration()
        (scaling.max, scaling.price) = (6, 1.2)
        // Comes and goes much: what is tried here is the controller, not how good a policy is.
        (scaling.policy, scaling.idle) = (.backlogPerWorker(1), .seconds(60))
        return scaling
    }()

    public init() {}
}

/// What came of it. Kills of busy workers, jobs lost and jobs done twice must be none.
public struct ScalingWorldReport: Sendable, CustomStringConvertible {
    public var jobs = 0
    public var done = 0
    public var lost = 0
    public var doubled = 0
    public var busyKills = 0
    public var started = 0
    public var retired = 0
    public var notices = 0
    public var crashes = 0
    public var controllerCrashes = 0
    public var decisions = 0
    public var usage: [WorkerUsage] = []
    public var remarks: [String] = []

    public var keepsAllPromises: Bool { busyKills == 0 && lost == 0 && doubled == 0 && done == jobs }

    public var description: String {
        let used = usage.reduce(0) { $0 + $1.usedSeconds } / 3600
        return
            "jobs=\(jobs) done=\(done) lost=\(lost) doubled=\(doubled) busy_kills=\(busyKills) started=\(started) retired=\(retired) notices=\(notices) crashes=\(crashes) controller_crashes=\(controllerCrashes) gpu_hours=\(Int(used))"
            + remarks.prefix(5).map { "\n  \($0)" }.joined()
    }
}
