import MillraceCore
import MillraceQueue

// One job from its lease to its report.
extension SimulatedWorker {
    func begin(_ job: Job) {
        guard let token = job.lease?.token else { return }
        world.note(name, "begins", job: job.id, number: Int64(job.attempt))
        let held = Held(job, token)
        self.held.append(held)
        let work = Int64(job.parameters["work"]?.integerValue ?? 10)
        if nature(of: held) == .poison {
            return after(work / 2) { [self] in if self.held.contains(where: { $0 === held }) { crash() } }
        }
        if nature(of: held) == .thorough { after(work / 3) { [self] in saveCheckpoint(held) } }
        after(work) { [self] in finish(held) }
    }

    private func nature(of held: Held) -> JobSpec.Nature {
        held.job.parameters["nature"]?.stringValue.flatMap(JobSpec.Nature.init) ?? .good
    }

    func heard(_ verdict: LeaseVerdict, of held: Held) {
        switch verdict {
        case .held: break
        case .cancel: stop(held, .cancelled)
        case .timeout: stop(held, .timeout)
        case .lost: stop(held, .lost)
        }
    }

    func stop(_ held: Held, _ reason: Held.Stop) {
        guard held.stop == nil || reason == .lost else { return }
        held.stop = reason
        guard reason == .lost else { return after(20) { [self] in finish(held) } }
        // What is being reported is reported to the end: the answer will say the same.
        if !held.isReporting { drop(held) }
    }

    private func drop(_ held: Held) {
        world.note(name, "drops", job: held.job.id)
        self.held.removeAll { $0 === held }
    }

    private func finish(_ held: Held) {
        guard !held.isReporting, self.held.contains(where: { $0 === held }) else { return }
        held.isReporting = true
        switch held.stop {
        case .lost: drop(held)
        case .cancelled: report(held, .cancelled)
        case .timeout: report(held, .failed(JobFailure(.runLimitExceeded, "it ran too long", retryable: false)))
        case .draining: report(held, .released(reason: "the worker is stopping"))
        case nil: finishWork(held)
        }
    }

    private func finishWork(_ held: Held) {
        switch nature(of: held) {
        case .bad: report(held, .failed(JobFailure(.invalidInput, "it cannot go right", retryable: false)))
        case .flaky where world.dice.chance(0.6):
            var failure = JobFailure(.handlerError, "it went wrong", retryable: true)
            if world.dice.chance(0.3) { failure.retryAfter = .milliseconds(world.dice.number(0...5_000)) }
            report(held, .failed(failure))
        case .flaky, .good, .long, .poison, .thorough:
            if world.dice.chance(0.35) { return report(held, .succeeded(outputs: [])) }
            let text = InlineOutput(name: "label", mediaType: "text/plain", text: "\(held.token)")
            if world.dice.chance(0.5) { return report(held, .succeeded(outputs: [], inline: [text])) }
            reserve(held, triesLeft: 60) { [self] blob in report(held, .succeeded(outputs: [.simulated(blob, "out")])) }
        }
    }

    private func report(_ held: Held, _ outcome: AttemptReport.Outcome) {
        guard self.held.contains(where: { $0 === held }) else { return }
        held.isReporting = true
        reports.append(AttemptReport(job: held.job.id, token: held.token, outcome: outcome))
        flush(after: world.dice.number(0...150))
    }

    /// Sends all reports that wait, again and again until they are heard.
    private func flush(after wait: Int64) {
        guard !isFlushing else { return }
        isFlushing = true
        after(wait) { [self] in send() }
    }

    private func send() {
        let (gateway, batch) = (gateway, reports)
        reports = []
        world.call(self, gateway, timeout: 5_000) { _, answer in
            gateway.settle(batch, answer)
        } done: { [self] (result: Result<[LeaseVerdict], CallFailure>) in
            isFlushing = false
            switch result {
            case .success:
                let tokens = Set(batch.map(\.token))
                held.removeAll { tokens.contains($0.token) }
                if !reports.isEmpty { flush(after: 5) }
            case .failure:
                tryAnotherGateway()
                reports = batch + reports
                flush(after: world.dice.number(100...2_000))
            }
        }
    }

    /// Asks for a blob and writes it; an attempt whose lease is lost is dropped.
    private func reserve(_ held: Held, triesLeft: Int, _ then: @escaping (BlobID) -> Void) {
        let gateway = gateway
        world.call(self, gateway, timeout: 5_000) { _, answer in
            gateway.reserveOutput(held.job.id, held.token, answer)
        } done: { [self] (result: Result<BlobID, CallFailure>) in
            switch result {
            case .success(let blob):
                world.host.depot.write(blob)
                then(blob)
            case .failure(let failure) where failure.code == .leaseLost || triesLeft == 0:
                drop(held)
            case .failure:
                tryAnotherGateway()
                after(world.dice.number(100...2_000)) { [self] in reserve(held, triesLeft: triesLeft - 1, then) }
            }
        }
    }

    private func saveCheckpoint(_ held: Held) {
        guard held.stop == nil, !held.isReporting else { return }
        reserve(held, triesLeft: 3) { [self] blob in
            let (gateway, id) = (gateway, id)
            var renewal = LeaseRenewal(job: held.job.id, token: held.token, duration: .milliseconds(Timing.lease))
            renewal.checkpoint = JobCheckpoint(file: .simulated(blob, "checkpoint"), position: .integer(1))
            world.call(self, gateway, timeout: 5_000) { _, answer in
                gateway.heartbeat(id, [renewal], answer)
            } done: { [self] (result: Result<HeartbeatAnswer, CallFailure>) in
                if let verdict = (try? result.get())?.verdicts.first { heard(verdict, of: held) }
            }
        }
    }
}
