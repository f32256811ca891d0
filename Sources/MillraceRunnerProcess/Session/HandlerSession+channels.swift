import MillraceCore
import MillraceInference
import MillraceWire

extension HandlerSession {
    mutating func received(_ message: HandlerControlMessage) -> [Action] {
        if case .hello(let hello) = message { return greeted(.control, says: hello.channel, version: hello.protocol) }
        switch message {
        case .hello: return []
        case .ready(let ready): return becameReady(ready)
        case .fatal(let fatal): return gaveUp(fatal)
        case .progress(let progress): return told(progress)
        case .log(let log): return [.log(LogLine(level: log.level, message: log.message), log.item.flatMap(heard))]
        case .checkpoint(let checkpoint): return asked(checkpoint)
        case .pong(let pong): return self.pong(pong.seq)
        }
    }

    /// - Parameter tensors: those of a `result`, opened.
    mutating func received(_ message: HandlerWorkMessage, tensors: [TakenTensor] = []) -> [Action] {
        switch message {
        case .hello(let hello): return greeted(.work, says: hello.channel, version: HandlerProtocol.version)
        case .result(let result):
            return answered(.reply(json: result.json, outputs: result.outputs, tensors: tensors), result.item, batch: result.batch)
        case .error(let error): return answered(.error(JobFailure(error)), error.item, batch: error.batch)
        case .cancelled(let stop): return stopped(stop)
        case .done(let done): return finished(done)
        case .failed(let breakdown): return brokeDown(breakdown)
        }
    }

    /// An item was answered, and there is no room to keep that beside the other answers. The first answer of a batch always has room.
    mutating func crowdedOut(_ item: ItemID, batch id: Int64) -> [Action] { answered(nil, item, batch: id) }

    /// A channel closed, which a handler does only by leaving.
    mutating func closed(_ channel: HandlerProtocol.Channel) -> [Action] {
        open.remove(channel)
        if exit != nil { return finishWhenHeard() }
        return end(.gone)
    }

    /// A connection closed before it said which channel it was.
    mutating func closedUnnamed() -> [Action] { exit == nil ? end(.gone) : [] }

    /// Anything that the specification does not allow.
    mutating func violated(_ what: String) -> [Action] { end(.violation(what)) }

    // MARK: The start

    private mutating func greeted(_ channel: HandlerProtocol.Channel, says: HandlerProtocol.Channel, version: Int) -> [Action] {
        guard says == channel, greeted.insert(channel).inserted else { return violated("a second hello") }
        guard version == HandlerProtocol.version else {
            return violated("it speaks version \(version) of the handler protocol, this runner version \(HandlerProtocol.version)")
        }
        open.insert(channel)
        return becameIdle()
    }

    private mutating func becameReady(_ ready: HandlerControlMessage.Ready) -> [Action] {
        guard batchMax == nil else { return violated("a second ready") }
        guard ready.batchMax >= 1 else { return violated("a batchMax of \(ready.batchMax)") }
        let missing = requires.filter { ready.features?.contains($0.rawValue) != true }
        guard missing.isEmpty else { return end(.lacking(missing)) }
        batchMax = ready.batchMax
        return becameIdle()
    }

    /// The handler leaves right after this, so its other channel may have closed before this is read.
    private mutating func gaveUp(_ fatal: HandlerControlMessage.Fatal) -> [Action] {
        guard batchMax == nil else { return violated("fatal after ready") }
        guard phase == .ending(.gone) else { return end(.fatal(fatal.message)) }
        phase = .ending(.fatal(fatal.message))
        return []
    }

    /// `ready` and the work channel's `hello` come on two channels, in any order.
    private mutating func becameIdle() -> [Action] {
        guard phase == .starting, let batchMax, greeted.count == 2 else { return [] }
        phase = .idle
        return [.clearTimer(.start), .setTimer(.ping, limits.pingEvery), .ready(batchMax: batchMax)]
    }

    // MARK: While a batch runs

    /// The item, if it is in the batch; what is said of another comes too late and concerns nobody.
    private func heard(_ item: ItemID) -> ItemID? { batch?.items.contains(item) == true ? item : nil }

    private func told(_ progress: HandlerControlMessage.Progress) -> [Action] {
        guard let item = heard(progress.item) else { return [] }
        let progress = JobProgress(
            done: progress.done, total: progress.total, unit: progress.unit, message: progress.message, metrics: progress.metrics)
        return [.progress(progress, item)]
    }

    private mutating func asked(_ checkpoint: HandlerControlMessage.Checkpoint) -> [Action] {
        guard batch?.isUnanswered(checkpoint.item) == true else {
            let refusal = RunnerControlMessage.Checkpointed(
                item: checkpoint.item, seq: checkpoint.seq, ok: false, message: "the item is not running")
            return [.sendControl(.checkpointed(refusal))]
        }
        guard batch?.storing.insert(checkpoint.item).inserted == true else {
            return violated("a second checkpoint of item \(checkpoint.item) before the first was answered")
        }
        return [.checkpoint(checkpoint)]
    }

    /// A checkpoint is stored, or not.
    mutating func stored(_ answer: RunnerControlMessage.Checkpointed) -> [Action] {
        batch?.storing.remove(answer.item)
        return open.contains(.control) && exit == nil ? [.sendControl(.checkpointed(answer))] : []
    }

    private var takesAnswers: Bool { phase == .running || phase == .ending(.gone) }

    /// - Parameter answer: `nil`: not kept.
    private mutating func answered(_ answer: HandlerAnswer?, _ item: ItemID, batch id: Int64) -> [Action] {
        guard takesAnswers else { return unexpected("an answer") }
        guard id == batch?.id else { return violated("an answer for batch \(id), which is not running") }
        guard heard(item) != nil else { return violated("an answer for item \(item), which is not in the batch") }
        guard batch?.isUnanswered(item) == true else {
            // Which of two answers is right nobody knows.
            let what = "a second answer for item \(item)"
            batch?.answers[item] = .error(JobFailure(.handlerProtocol, "the handler broke the protocol: \(what)", retryable: true))
            return violated(what)
        }
        if let answer { batch?.answers[item] = answer } else { batch?.crowdedOut.insert(item) }
        return batch?.stopping.contains(item) == true ? [.clearTimer(.cancel(item))] : []
    }

    private mutating func stopped(_ stop: HandlerWorkMessage.Stop) -> [Action] {
        guard !takesAnswers || batch?.stopping.contains(stop.item) == true else {
            let failure = JobFailure(.handlerProtocol, "the handler stopped this item although nobody asked it to", retryable: true)
            return answered(.error(failure), stop.item, batch: stop.batch)
        }
        return answered(.cancelled, stop.item, batch: stop.batch)
    }

    private mutating func finished(_ done: HandlerWorkMessage.Done) -> [Action] {
        guard takesAnswers else { return unexpected("done") }
        guard let batch, done.batch == batch.id else { return violated("the end of batch \(done.batch), which is not running") }
        guard batch.unanswered.isEmpty else { return violated("the end of a batch without an answer for item \(batch.unanswered[0])") }
        return phase == .running ? settle() : []
    }

    private mutating func brokeDown(_ breakdown: HandlerWorkMessage.Breakdown) -> [Action] {
        guard takesAnswers else { return unexpected("failed") }
        guard breakdown.batch == batch?.id else { return violated("the end of batch \(breakdown.batch), which is not running") }
        batch?.breakdown = JobFailure(code: breakdown.code, message: breakdown.message, retryable: breakdown.retryable)
        return phase == .running ? settle() : []
    }

    /// Between batches nothing may be answered; while the handler leaves it does not matter.
    private mutating func unexpected(_ what: String) -> [Action] {
        if case .ending = phase { return [] }
        return phase == .ended ? [] : violated("\(what) without a running batch")
    }
}

extension JobFailure {
    init(_ error: HandlerWorkMessage.Failure) {
        let retryAfter = error.retryAfterSeconds.flatMap { $0.isFinite ? Duration.seconds(min(max($0, 0), 30 * 86_400)) : nil }
        self.init(
            code: error.code, message: error.message, hint: error.hint, retryable: error.retryable, retryAfter: retryAfter)
    }
}
