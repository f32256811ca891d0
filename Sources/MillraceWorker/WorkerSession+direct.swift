import MillraceCore
import MillraceInference
import MillraceWire

// Jobs that are one item from the start and need nothing fetched or prepared: no task waits for them, so that jobs of
// microseconds cost microseconds.
extension WorkerSession {
    func isDirect(_ leased: LeasedJob) -> Bool {
        configuration.manifest.runner == .echo && leased.files.isEmpty && leased.checkpoint == nil
    }

    func beginDirectly(_ jobs: [LeasedJob]) {
        guard !jobs.isEmpty else { return }
        // One copy of the session for all.
        let end: @Sendable (LeasedJob, ItemOutcome) -> Void = { self.end($0, with: $1) }
        let items = jobs.map { leased in
            let request = HandlerRequest(
                job: leased.id, endpoint: configuration.name, attempt: leased.attempt, parametersText: leased.parameters,
                inputText: leased.input, files: [], workdir: "", checkpoint: nil)
            return InferenceItem(id: batcher.makeItemID(), payload: .request(request))
        }
        batcher.submit(
            zip(items, jobs).map { item, leased in
                ItemBatcher.Submission(item: item, job: leased.id) { end(leased, $0) }
            })
        for (item, leased) in zip(items, jobs) {
            held.start(leased.token) { [batcher, held, id = item.id] in
                batcher.cancel(id, of: leased.id, reason: held.stopReason(leased.token) ?? .cancelled)
            }
        }
    }

    private func end(_ leased: LeasedJob, with outcome: ItemOutcome) {
        switch outcome {
        case .reply(let reply): settle(leased, HandlerPipeline.outputs(of: reply))
        case .failed(let failure): settle(leased, self.outcome(of: failure, in: leased))
        case .cancelled: settle(leased, self.outcome(of: CancellationError(), in: leased))
        case .tensors: preconditionFailure("a job that is one item is answered with a reply")
        }
    }

    private func settle(_ leased: LeasedJob, _ outcome: SettleRequest.Outcome) {
        settler.add(outcome, of: leased, coldStartSeconds: coldStart(of: leased))
    }

    private func settle(_ leased: LeasedJob, _ outputs: [PipelineOutput]) {
        let inline = InlineOutput.leading(outputs)
        if inline.count == outputs.count { return settle(leased, .succeeded(outputs: [], inline: inline)) }
        // Unstructured: it ends with the lease, as every attempt does. Whoever answers items must not wait for a disk.
        let task = Task {
            do {
                let (inline, files) = try await results(of: leased).store(outputs)
                settle(leased, .succeeded(outputs: files, inline: inline))
            } catch {
                settle(leased, outcome(of: error, in: leased))
            }
        }
        held.start(leased.token) { task.cancel() }
    }
}
