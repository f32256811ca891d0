import ArgumentParser
import MillraceCore
import MillraceScaling

/// Where simulated jobs come from.
struct SimulateJobs: ParsableArguments {
    @Option(help: "A CSV file of arrivals.", completion: .file(extensions: ["csv"]))
    var trace: String?

    @Option(
        help: ArgumentHelp(
            "Jobs that a Millrace has seen: `server` for all that the server at --server has, or a file with the output of `millrace jobs list --json`.",
            valueName: "server-or-file"),
        completion: .file(extensions: ["json", "jsonl"]))
    var fromHistory: String?

    @Option(help: "Of the history, only this endpoint's jobs; of --from-settings, its settings.")
    var endpoint: String?

    @Option(help: "Made-up arrivals: steady, diurnal, bursts or flash.")
    var workload: Workload.Shape?

    @Option(help: "Made-up jobs in an hour, on average.")
    var perHour = 360.0

    @Option(help: "For so long made-up jobs come: 90m, 24h, 7d.")
    var duration = DurationArgument(argument: "24h")!

    @Option(help: "Stretch time: with 24 an hour becomes a day.")
    var stretch = 1.0

    @Option(help: "Keep this share of the jobs, chosen by the seed.")
    var keep = 1.0

    @Option(
        help: "The time at the start, for the hours of a schedule and the days of a budget: 2026-11-23T08:00:00Z. [else of a history when its first job came, else 2026-01-01T00:00:00Z]")
    var startsAt: Timestamp?

    func validate() throws {
        guard [trace != nil, fromHistory != nil, workload != nil].count(where: { $0 }) <= 1 else {
            throw ValidationError("--trace, --from-history and --workload say each where the jobs come from: give one of them")
        }
        guard stretch > 0, stretch <= 1e6, keep > 0, keep <= 1, perHour > 0, perHour <= 1e8 else {
            throw ValidationError("--stretch (at most a million) and --per-hour (at most a hundred million) are more than 0, --keep is more than 0 and at most 1")
        }
    }

    /// What `--from-history` names; `nil`: nothing.
    func history(_ connection: ConnectionOptions, _ console: Console) async throws -> (arrivals: [Arrival], startsAt: Timestamp?)? {
        guard let fromHistory else { return nil }
        if fromHistory == "server" {
            let history = try await ServerHistory(client: connection.client(), endpoint: endpoint, console: console).read()
            return (try history.arrivals(of: endpoint, in: "the server"), history.startsAt)
        }
        let history = try ArrivalHistory.read(path: fromHistory, endpoint: endpoint)
        if history.isPart { console.note("\(fromHistory) has \(history.count) jobs, and says that there are more: --from-history server reads them all") }
        return (try history.arrivals(of: endpoint, in: fromHistory), history.startsAt)
    }

    /// - Parameter history: the jobs that `history` gave.
    func source(_ history: [Arrival]?, seed: UInt64) throws -> any ArrivalSource {
        let plain: any ArrivalSource =
            if let trace {
                try TraceReader(path: trace)
            } else if let history {
                ListedArrivals(history)
            } else {
                Workload(workload ?? .diurnal, perHour: perHour, duration: duration.duration.seconds, seed: seed)
            }
        return ReshapedArrivals(plain, stretch: stretch, keep: keep, seed: seed)
    }

    /// For people.
    var words: String {
        let what = trace ?? fromHistory.map { $0 == "server" ? "what the server saw" : $0 } ?? "\((workload ?? .diurnal).rawValue), \(Quantities.number(perHour)) jobs an hour"
        return what + (stretch == 1 ? "" : ", stretched \(Quantities.number(stretch)) times") + (keep == 1 ? "" : ", \(Quantities.number(keep)) of the jobs kept")
    }
}

extension Workload.Shape: ExpressibleByArgument {}

/// What simulated workers are like.
struct SimulateFleet: ParsableArguments {
    @Option(help: "Workers at most, those that drain included. [else as --from-settings says, else 20]")
    var max: Int?

    @Option(help: "Workers at least, of each policy. [else as --from-settings says, else 0]")
    var min: Int?

    @Option(help: "What a job takes, without its tokens.")
    var base = DurationArgument(argument: "1s")!

    @Option(help: "And for each input token.")
    var perInput: DurationArgument?

    @Option(help: "And for each output token.")
    var perOutput: DurationArgument?

    @Option(help: "Spread of what jobs take: the deviation of the logarithm; 0: none.")
    var noise = 0.0

    @Option(help: "Jobs in one batch.")
    var batch = 1

    @Option(help: "What a batch of jobs as they are on average takes, measured: 1=100ms,8=300ms,16=500ms. How much longer or shorter than the mean a job takes is told by its duration, or by --base and its tokens.")
    var batchTimes: String?

    @Option(help: "From wanted until the machine runs: 180s; 120s..240s; ~180s for a log-normal with a deviation of 0.3.")
    var boot = TimeArgument(argument: "60s")!

    @Option(help: "Until image and model are there, in the same ways.")
    var pull = TimeArgument(argument: "0s")!

    @Option(help: "Until the model is loaded, in the same ways.")
    var load = TimeArgument(argument: "0s")!

    @Option(help: "Machines that the provider has.")
    var capacity: Int?

    @Option(help: "Spot interruptions of one worker in an hour.")
    var interruptions = 0.0

    @Option(help: "Of one worker for one hour. [else as --from-settings says, else 1]")
    var price: Double?

    func validate() throws {
        guard min ?? 0 >= 0, max ?? 1 >= 1, batch >= 1, noise >= 0, interruptions >= 0, price ?? 1 >= 0, capacity ?? 1 > 0 else {
            throw ValidationError("--max, --batch and --capacity are at least 1; nothing is negative")
        }
        guard max ?? 1 <= 100_000, noise <= 10, interruptions <= 1e4, (price ?? 1).isFinite else {
            throw ValidationError("--max is at most 100,000, --noise 10, --interruptions 10,000 an hour, and --price is a number")
        }
        if batchTimes != nil, times == nil { throw ValidationError("--batch-times is a list of size=time, as 1=100ms,8=300ms") }
    }

    private var times: [(size: Int, seconds: Double)]? {
        guard let batchTimes else { return [] }
        var times: [(size: Int, seconds: Double)] = []
        for part in batchTimes.split(separator: ",") {
            let sides = part.split(separator: "=").map(String.init)
            guard sides.count == 2, let size = Int(sides[0]), size > 0, let time = DurationArgument(argument: sides[1]) else { return nil }
            times.append((size, time.duration.seconds))
        }
        return times
    }

    /// What each policy is held to: the settings, with what is said on the command line in their place.
    func scaling(_ settings: ScalingConfiguration?) throws -> ScalingConfiguration {
        var scaling = settings ?? ScalingConfiguration()
        if let max = max ?? (settings == nil ? 20 : nil) { scaling.max = max }
        if let min { scaling.min = min }
        if let price { scaling.price = price }
        guard scaling.max >= 1 else {
            throw ValidationError("the settings' scaling.max is 0, so that no worker would ever start: say --max")
        }
        if let rate = scaling.budget.costPerHourMax, let price = scaling.price, price > rate {
            throw ValidationError("a worker costs \(price) an hour, more than budget.costPerHourMax (\(rate)), so that none would ever start: lower --price")
        }
        guard scaling.min <= scaling.max else { throw ValidationError("--min (\(scaling.min)) is more than --max (\(scaling.max))") }
        return scaling
    }

    func setup(_ scaling: ScalingConfiguration, seed: UInt64) -> SimulationSetup {
        var batching = BatchingPolicy.single
        batching.itemsMax = batch
        return SimulationSetup(
            service: ServiceModel(
                base: base.duration.seconds, perInputToken: perInput?.duration.seconds ?? 0, perOutputToken: perOutput?.duration.seconds ?? 0,
                byBatchSize: times ?? [], noise: noise),
            fleet: FleetModel(
                boot: boot.time, pull: pull.time, load: load.time, capacity: capacity ?? .max, interruptionsPerHour: interruptions, price: scaling.price ?? 1),
            batching: batching, seed: seed)
    }

    func words(_ scaling: ScalingConfiguration) -> String {
        let start = boot.time.mean + pull.time.mean + load.time.mean
        return "at most \(scaling.max) workers that take \(Quantities.duration(.milliseconds(Int64(start * 1000)))) to start"
    }
}

/// `180s`, `120s..240s`, `~180s`.
struct TimeArgument: ExpressibleByArgument, Equatable {
    var time: TimeDistribution

    var defaultValueDescription: String { "\(Quantities.number(time.mean))s" }

    init?(argument: String) {
        func seconds(_ text: some StringProtocol) -> Double? {
            text == "0" || text == "0s" ? 0 : DurationArgument(argument: String(text))?.duration.seconds
        }
        if argument.hasPrefix("~") {
            guard let mean = seconds(argument.dropFirst()) else { return nil }
            time = .lognormal(mean: mean, sigma: 0.3)
        } else if let range = argument.firstRange(of: "..") {
            guard let low = seconds(argument[..<range.lowerBound]), let high = seconds(argument[range.upperBound...]), low <= high else { return nil }
            time = .uniform(low, high)
        } else {
            guard let value = seconds(argument) else { return nil }
            time = .fixed(value)
        }
    }
}

/// Which policies are simulated.
struct SimulatePolicies: ParsableArguments {
    @Option(
        help: """
            A millrace.yaml: the policy that --endpoint has in it, with all of its scaling but drain. Other policies beside it have its \
            limits, idle, up, down, schedule and budget; presets its limits alone.
            """,
        completion: .file(extensions: ["yaml"]))
    var fromSettings: String?

    @Option(help: "The default policy with this target wait; several with commas between: 10s,1m,5m.")
    var target: String?

    @Option(help: "Another policy: targetWait=10s, backlogPerWorker=5, step=1:1,101:2 or always=2. May be given several times.")
    var policy: [PolicyArgument] = []

    @Option(help: "What people use today: step, sagemaker, keda, always-on; several with commas between.")
    var preset: String?

    @Flag(help: "Beside all presets.")
    var compare = false

    @Option(help: "How often the policies of a server may be asked; presets have times of their own.")
    var spacing = DurationArgument(argument: "1s")!

    /// - Parameter scaling: what they are held to, and with `fromSettings` the first of them.
    func all(_ scaling: ScalingConfiguration) throws -> [SimulatedPolicy] {
        var all = policy.map { simulated($0.choice, scaling) }
        if fromSettings != nil {
            all.insert(simulated(scaling.policy, scaling), at: 0)
            all[0].name = "configured: " + all[0].name
        }
        for text in try listed(target, "--target", "10s,1m") ?? (all.isEmpty && preset == nil ? ["10s"] : []) {
            guard let target = DurationArgument(argument: text) else { throw ValidationError("--target: \"\(text)\" is no time, as 10s or 5m") }
            all.append(simulated(.targetWait(target.duration), scaling))
        }
        var presets = compare ? Preset.allCases : []
        for text in try listed(preset, "--preset", "keda,step") ?? [] {
            guard let preset = Preset(rawValue: text) else {
                throw ValidationError("--preset knows \(Preset.allCases.map(\.rawValue).joined(separator: ", ")), not \"\(text)\"")
            }
            if !presets.contains(preset) { presets.append(preset) }
        }
        return all + presets.map { $0.policy(min: scaling.min, max: scaling.max) }
    }

    /// Values with commas between, each with something in it.
    private func listed(_ text: String?, _ name: String, _ example: String) throws -> [String]? {
        guard let text else { return nil }
        let values = text.split(separator: ",", omittingEmptySubsequences: false).map { String($0.drop { $0 == " " }) }
        guard !values.contains("") else { throw ValidationError("\(name) has an empty value; it is a list with commas between, as \(example)") }
        return values
    }

    private func simulated(_ choice: ScalingConfiguration.PolicyChoice, _ scaling: ScalingConfiguration) -> SimulatedPolicy {
        var scaling = scaling
        scaling.policy = choice
        return SimulatedPolicy(
            name: PolicyArgument(choice: choice).words, policy: ConfiguredPolicy(), cadence: .events(spacing: spacing.duration.seconds), scaling: scaling)
    }
}

struct PolicyArgument: ExpressibleByArgument, Equatable {
    var choice: ScalingConfiguration.PolicyChoice

    init(choice: ScalingConfiguration.PolicyChoice) {
        self.choice = choice
    }

    init?(argument: String) {
        let sides = argument.split(separator: "=", maxSplits: 1).map(String.init)
        guard sides.count == 2 else { return nil }
        switch sides[0] {
        case "targetWait":
            guard let wait = DurationArgument(argument: sides[1]) else { return nil }
            choice = .targetWait(wait.duration)
        case "backlogPerWorker":
            guard let jobs = Double(sides[1]), jobs >= 0.001, jobs.isFinite else { return nil }
            choice = .backlogPerWorker(jobs)
        case "always":
            guard let workers = Int(sides[1]), workers >= 0 else { return nil }
            choice = .always(workers)
        case "step":
            let steps = sides[1].split(separator: ",").map { $0.split(separator: ":").compactMap { Int($0) } }
            guard !steps.isEmpty, steps.allSatisfy({ $0.count == 2 }) else { return nil }
            choice = .step(steps.map { ScalingConfiguration.Step(from: $0[0], workers: $0[1]) })
        default: return nil
        }
    }

    var words: String {
        switch choice {
        case .targetWait(let wait): "targetWait \(Quantities.number(wait.seconds)) s"
        case .backlogPerWorker(let jobs): "backlogPerWorker \(Quantities.number(jobs))"
        case .always(let workers): "always \(workers)"
        case .step(let steps): "step " + steps.map { "\($0.from):\($0.workers)" }.joined(separator: ",")
        }
    }
}
