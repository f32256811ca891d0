import Foundation
import Logging
import MillraceCore
import MillraceInference
import MillraceWire

extension WorkerSession {
    /// How many jobs to hold: what is decoded here has the next ones prepared meanwhile; a handler or a model
    /// server that does all itself takes what one batch holds.
    private var jobsMax: Int {
        let items = max(1, configuration.batching.itemsMax)
        switch configuration.manifest.runner {
        case .process where !engine.pipeline.decodes, .http: return items
        case .echo: return items * 2
        case .onnx, .process: return stages.times.jobsHeld(itemsMax: items)
        }
    }

    /// How long places gather, while most are taken, before jobs are asked for: small jobs end by the hundred in that time.
    private static let gatherMax: Duration = .milliseconds(20)

    func leaseUntilStopped() async {
        while let room = await roomForMore() { await lease(atMost: room) }
    }

    /// Waits until it is worth asking for jobs: at once when half of the places are free, else a moment after one is.
    ///
    /// - Returns: the number of free places; `nil` once the worker is to stop.
    private func roomForMore() async -> Int? {
        // Asked once: it may change while this waits.
        let places = jobsMax
        let taken = places / 2
        if held.count > taken {
            // A stop must not wait for a job to end: the drain has its own deadline.
            _ = try? await shutdown.race {
                await held.waitForRoom(below: places)
                await within(Self.gatherMax) { await held.waitForRoom(below: taken + 1) }
            }
        }
        return shutdown.isRaised || Task.isCancelled ? nil : places - held.count
    }

    private func within(_ limit: Duration, _ body: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await body() }
            group.addTask { try? await surroundings.sleep(limit) }
            await group.next()
            group.cancelAll()
        }
    }

    private func lease(atMost room: Int) async {
        // Jobs of microseconds, taken by the last request, end meanwhile.
        await Task.yield()
        let reports = settler.takeFew()
        do {
            let answer: LeaseResponse? = try await shutdown.race {
                // Each try has a number of its own: one that was lost on the way, and arrives after all, is told from this one.
                try await gateway.call("/v1/worker/lease", timeout: .seconds(40), patience: patience) {
                    LeaseRequest(
                        worker: registration.worker, jobsMax: room, waitSeconds: 20, held: held.tokens, request: requests.next(),
                        reports: reports.isEmpty ? nil : reports)
                }
            }
            begin(answer?.jobs ?? [])
            if answer?.draining == true { shutdown.raise() }
            if let verdicts = answer?.verdicts, verdicts.count == reports.count {
                settler.note(verdicts, reports[...])
            } else {
                await settler.report(reports[...])
            }
        } catch let error as MillraceError where error.code == .workerUnknown {
            await registerAgain()
            await settler.report(reports[...])
        } catch let error as MillraceError where !reports.isEmpty && error.code != .unavailable {
            // Whatever it was, they are told in the way that knows what to do about it.
            await settler.report(reports[...])
        } catch {
            settler.giveUp(reports[...], error)
            logger.error("no way to the gateway; stopping", metadata: ["error": "\(error)"])
            shutdown.raise()
        }
    }

    var patience: Duration { held.isEmpty ? patienceIdle : Self.patienceBusy }

    /// The gateway forgot this worker (it was silent for too long): make itself known again. Leases lost meanwhile show as lost.
    private func registerAgain() async {
        var registration = registration
        // By the time since its start the gateway tells when that was.
        registration.sentAt = surroundings.now()
        do {
            let _: RegisterResponse = try await gateway.call("/v1/worker/register", registration, patience: patience)
        } catch {
            shutdown.raise()
        }
    }

    /// Lets held jobs end, then gives back what is left.
    func drain() async {
        logger.debug("stages", metadata: stages.times.logged)
        guard !held.isEmpty else { return }
        logger.info("draining", metadata: ["jobs.held": "\(held.count)"])
        // Within the fleet's own deadline there must be room for a handler's tear-down and for the last words.
        let limit = max(configuration.scaling.drain - .seconds(12), .seconds(1))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await held.waitForRoom(below: 1) }
            group.addTask {
                try? await surroundings.sleep(limit)
                if !Task.isCancelled { held.stopAll(reason: .draining) }
            }
            await group.next()
            await held.waitForRoom(below: 1)
            group.cancelAll()
        }
    }

    func heartbeatLoop() async throws {
        // The first one comes at once: it says that the model is loaded, and how it came to that.
        var isStartTold = false
        while !Task.isCancelled {
            let items = held.heartbeatItems()
            do {
                try await beat(items, start: isStartTold ? nil : start)
                isStartTold = true
            } catch let error as MillraceError where error.code == .workerUnknown {
                held.restore(items)
                await registerAgain()
            } catch is CancellationError {
                return
            } catch let error as MillraceError where error.code == .tooLarge {
                // Log lines must not cost the leases.
                logger.warning("a heartbeat was too large; its log lines are dropped")
                try? await beat(items.map { .init(job: $0.job, token: $0.token, progress: $0.progress, checkpoint: $0.checkpoint) })
            } catch {
                held.restore(items)
                logger.warning("heartbeat failed", metadata: ["error": "\(error)"])
            }
            try await surroundings.sleep(held.isEmpty ? heartbeat * 2 : heartbeat)
        }
    }

    private func beat(_ items: [HeartbeatRequest.Item], start: ColdStart.Marks? = nil) async throws {
        let answer: HeartbeatResponse = try await gateway.call(
            "/v1/worker/heartbeat", HeartbeatRequest(worker: registration.worker, readyAt: readyAt, start: start, items: items),
            timeout: .seconds(5), patience: .seconds(2))
        for (item, verdict) in zip(items, answer.verdicts) {
            switch verdict {
            case .held: break
            case .cancel: held.stop(item.token, reason: .cancelled)
            case .timeout: held.stop(item.token, reason: .timeout)
            case .lost: held.stop(item.token, reason: .lost)
            }
        }
        if answer.draining { shutdown.raise() }
    }
}

extension StageTimes {
    fileprivate var logged: Logger.Metadata {
        var metadata: Logger.Metadata = [:]
        for stage in Stage.allCases { metadata["\(stage.rawValue).seconds"] = self[stage].map { "\($0)" } }
        return metadata
    }
}
