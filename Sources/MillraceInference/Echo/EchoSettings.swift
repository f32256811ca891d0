import MillraceCore

/// What a job asks of the echo model, read from its parameters. Whatever is not there has its quiet default.
struct EchoSettings: Equatable {
    /// How long the job takes.
    var duration: Duration = .zero
    /// How many first attempts fail.
    var failures = 0
    /// Whether the result says when the runner got the job.
    var stamp = false

    /// A day is longer than any trial, and keeps what is computed from the duration in range.
    private static let secondsMax: Double = 86_400

    init(_ parameters: RawJSON?) {
        guard let parameters = parameters?.value else { return }
        if let seconds = parameters["seconds"]?.doubleValue, seconds > 0 { duration = .seconds(min(seconds, Self.secondsMax)) }
        failures = parameters["failures"]?.integerValue ?? 0
        stamp = parameters["stamp"]?.boolValue ?? false
    }
}
