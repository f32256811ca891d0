import Logging
import MillraceCore
import MillraceInference
import MillraceWire
import Synchronization

/// Reports how attempts ended, again and again until the gateway has heard it: an outcome is never dropped silently.
///
/// One report of its own is under way at a time. What ends meanwhile goes together in the next; an outcome that is alone goes at
/// once, unless the worker has so much to do that others are about to follow. A few go with a request for work that is made just then.
final class Settler: Sendable {
    typealias Send = @Sendable (SettleRequest) async throws -> SettleResponse

    /// Items and bytes of one report. A report is parsed and written as a whole, and others wait for it.
    static let itemsMax = 1000
    static let bytesMax = 8 << 20
    /// More than so many are worth a request of their own.
    private static let fewMax = 8

    private let worker: WorkerID
    private let held: HeldJobs
    private let logger: Logger
    private let gather: @Sendable () async -> Void
    private let send: Send
    private let ready = Mutex<[SettleRequest.Item]>([])
    private let (hints, hint) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// - Parameters:
    ///   - gather: waits while more outcomes are about to follow; returns early when the task is cancelled.
    ///   - send: sends a report, again and again until it is answered, also while the gateway's disk is full.
    init(worker: WorkerID, held: HeldJobs, logger: Logger, gather: @escaping @Sendable () async -> Void = {}, send: @escaping Send) {
        self.worker = worker
        self.held = held
        self.logger = logger
        self.gather = gather
        self.send = send
    }

    /// Takes an attempt's outcome. Its lease is held, and renewed, until the gateway has heard.
    func add(_ outcome: SettleRequest.Outcome, of leased: LeasedJob, coldStartSeconds: Double?) {
        let last = held.beginSettling(leased.token)
        let item = SettleRequest.Item(
            job: leased.id, token: leased.token, outcome: outcome, logs: last.logs, progress: last.progress,
            coldStartSeconds: coldStartSeconds)
        let isFirst = ready.withLock { ready in
            ready.append(item)
            return ready.count == 1
        }
        if isFirst { hint.yield() }
    }

    /// What is ready and so little that it can be told with the next request for work: its verdicts are for ``note(_:_:)``, or else
    /// it is for ``report(_:)``.
    func takeFew() -> [SettleRequest.Item] {
        withoutLost(
            ready.withLock { ready in
                guard ready.count <= Self.fewMax else { return [] }
                return Self.takeReport(from: &ready)
            })
    }

    /// Reports until the task is cancelled.
    func run() async {
        for await _ in hints {
            // A request for work that is about to be made takes what is there along.
            await Task.yield()
            await Task.yield()
            while ready.withLock({ !$0.isEmpty }) {
                await gather()
                await report(take()[...])
            }
        }
    }

    /// What has gathered, at most a report full, without those whose lease is known to be lost.
    private func take() -> [SettleRequest.Item] {
        while true {
            let gathered = ready.withLock { Self.takeReport(from: &$0) }
            let rest = withoutLost(gathered)
            if !rest.isEmpty || gathered.isEmpty { return rest }
        }
    }

    private func withoutLost(_ gathered: [SettleRequest.Item]) -> [SettleRequest.Item] {
        let lost = gathered.filter { held.stopReason($0.token) == .lost }
        guard !lost.isEmpty else { return gathered }
        for item in lost { logger.warning("lease lost; the attempt's result is dropped", metadata: ["job.id": "\(item.job)"]) }
        let tokens = Set(lost.map(\.token))
        held.remove(tokens)
        return gathered.filter { !tokens.contains($0.token) }
    }

    private static func takeReport(from ready: inout [SettleRequest.Item]) -> [SettleRequest.Item] {
        var (count, bytes) = (0, 0)
        while count < min(ready.count, itemsMax) {
            bytes += ready[count].bytesAtMost
            if count > 0, bytes > bytesMax { break }
            count += 1
        }
        defer { ready.removeFirst(count) }
        return count == ready.count ? ready : Array(ready[..<count])
    }

    /// Tells of these, again and again until the gateway has heard or has gone for good.
    func report(_ items: ArraySlice<SettleRequest.Item>) async {
        guard !items.isEmpty else { return }
        do {
            let answer = try await send(SettleRequest(worker: worker, items: Array(items)))
            return note(answer.verdicts, items)
        } catch let error as MillraceError where items.count > 1 && Self.blamesContent(error) {
            // One outcome that cannot be taken must not cost the others.
            let middle = items.startIndex + items.count / 2
            await report(items[..<middle])
            await report(items[middle...])
            return
        } catch let error as MillraceError where Self.blamesContent(error) && !(items.first?.isSubstitute ?? true) {
            // The only one that is left. Its lease must not run out as if its worker had died.
            logger.error("an attempt's report was refused", metadata: ["job.id": "\(items[items.startIndex].job)", "error": "\(error)"])
            await report([items[items.startIndex].substitute(for: error)])
            return
        } catch {
            giveUp(items, error)
        }
    }

    /// The gateway has gone for longer than any lease lasts.
    func giveUp(_ items: ArraySlice<SettleRequest.Item>, _ error: any Error) {
        for item in items {
            logger.error("could not report an attempt; its lease will expire", metadata: ["job.id": "\(item.job)", "error": "\(error)"])
        }
        held.remove(items.lazy.map(\.token))
    }

    private static func blamesContent(_ error: MillraceError) -> Bool {
        error.code == .tooLarge || error.code == .malformedRequest
    }

    /// The gateway has heard these.
    func note(_ verdicts: [HeartbeatResponse.Verdict], _ items: ArraySlice<SettleRequest.Item>) {
        held.remove(items.lazy.map(\.token))
        for (item, verdict) in zip(items, verdicts) where verdict == .lost {
            logger.warning("lease lost at the end; the result was refused or is already recorded", metadata: ["job.id": "\(item.job)"])
        }
        guard logger.logLevel <= .debug else { return }
        for item in items { logger.debug("settled", metadata: ["job.id": "\(item.job)", "outcome": "\(item.outcome.name)"]) }
    }
}

extension SettleRequest.Item {
    private static let refusal = "the report of this attempt was refused: "

    fileprivate var isSubstitute: Bool {
        if case .failed(let failure) = outcome { failure.message.hasPrefix(Self.refusal) } else { false }
    }

    /// A small report in place of one that the gateway does not take.
    fileprivate func substitute(for error: MillraceError) -> Self {
        let failure = JobFailure(
            .handlerProtocol, Self.refusal + String(error.message.prefix(200)), hint: "return less as an error or as a log; large results are files")
        return .init(job: job, token: token, outcome: .failed(failure))
    }

    /// A bound of the item's size as JSON, where text may have escapes.
    fileprivate var bytesAtMost: Int {
        var bytes = 1000 + logs.reduce(0) { $0 + 100 + 2 * $1.message.utf8.count }
        switch outcome {
        case .succeeded(let outputs, let inline):
            bytes += outputs.count * 1000 + inline.reduce(0) { $0 + 500 + 2 * $1.text.utf8.count }
        case .failed(let failure): bytes += 2 * (failure.message.utf8.count + (failure.stderrTail?.utf8.count ?? 0))
        case .cancelled, .released: break
        }
        return bytes
    }
}

extension SettleRequest.Outcome {
    fileprivate var name: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed(let failure): "failed: \(failure.code)"
        case .cancelled: "cancelled"
        case .released: "released"
        }
    }
}
