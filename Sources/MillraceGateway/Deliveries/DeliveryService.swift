import Logging
import MillraceCore
import MillraceQueue
import ServiceLifecycle
import Synchronization

/// Sends webhooks: takes due deliveries from the outbox, posts them, and records what came of it.
///
/// Several gateways may run it at once: a claim keeps a delivery with one of them, and a claim that has run out writes nothing.
/// On a graceful shutdown nothing new is started and what is under way is finished, within the timeout of one try.
public struct DeliveryService: Service {
    private static let pollMax: Duration = .seconds(30)

    let queue: JobQueue
    let sender: WebhookSender
    let settings: WebhookSettings
    let version: String
    let surroundings: Surroundings
    let logger: Logger

    /// Long enough for a delivery to wait for its host's turn and then be tried.
    private var claimDuration: Duration { settings.timeout * 6 }

    public func run() async throws {
        let lanes = Lanes(DeliveryLanes(totalMax: settings.concurrencyMax, perHostMax: settings.concurrencyPerHostMax))
        await withDiscardingTaskGroup { group in
            while let deliveries = await next(lanes) {
                for delivery in deliveries {
                    group.addTask {
                        await attempt(delivery)
                        lanes.state.withLock { $0.ended(delivery) }
                        // A place is free: this service is its own waiter.
                        queue.changes.publish([.delivery])
                    }
                }
            }
        }
        await sender.clients.shutdown()
    }

    private final class Lanes: Sendable {
        let state: Mutex<DeliveryLanes>
        init(_ lanes: DeliveryLanes) { state = Mutex(lanes) }
    }

    /// The deliveries to start next; `nil` when the service is to stop.
    private func next(_ lanes: Lanes) async -> [Delivery]? {
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            // Subscribed before looking: what comes in between is not missed.
            let hints = queue.changes.hints(.delivery)
            var wait = Self.pollMax
            do {
                let room = lanes.state.withLock { $0.room }
                if room > 0 {
                    let startBefore = surroundings.now() + (claimDuration - settings.timeout - .seconds(5))
                    let claimed = try await queue.claimDeliveries(limit: min(room, settings.concurrencyMax), for: claimDuration)
                    lanes.state.withLock { $0.add(claimed, startBefore: startBefore) }
                }
                let started = lanes.state.withLock { $0.start(at: surroundings.now()) }
                if !started.isEmpty { return started }
                if room > 0, let due = try await queue.nextDeliveryAt() {
                    wait = min(wait, max(due.since(surroundings.now()), .milliseconds(10)))
                }
            } catch {
                logger.error("cannot read the webhook outbox", metadata: ["error": "\(error)"])
                wait = .seconds(2)
            }
            await pause(hints, atMost: wait)
        }
        return nil
    }

    private func pause(_ hints: AsyncStream<Void>, atMost limit: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { try? await StoreChanges.wait(for: hints, atMost: limit, in: surroundings) }
            group.addTask { try? await gracefulShutdown() }
            await group.next()
        }
    }

    private func attempt(_ delivery: Delivery) async {
        guard let claim = delivery.claim else { return }
        var log = logger
        log[metadataKey: "delivery.id"] = "\(delivery.id)"
        log[metadataKey: "job.id"] = "\(delivery.snapshot.id)"
        let at = surroundings.now()
        let answer: DeliverySchedule.Answer
        do {
            answer = try await sender.send(try WebhookMessage(delivery, at: at, secrets: settings.secrets, version: version))
        } catch is CancellationError {
            return
        } catch {
            answer = .failed("the message could not be made: \(error)")
        }
        let (result, next) = DeliverySchedule.verdict(
            on: answer, tries: delivery.attempts.count, at: surroundings.now(), fraction: surroundings.fraction())
        tell(result, next, delivery, log)
        let attempt = DeliveryAttempt(at: at, status: result.status, error: result.error, delivered: result.delivered)
        await record(attempt, of: delivery.id, claim: claim, next: next, log)
    }

    /// Tries again for a while: a try that is not recorded would be made again.
    private func record(_ attempt: DeliveryAttempt, of delivery: DeliveryID, claim: LeaseToken, next: Timestamp?, _ log: Logger) async {
        for wait in [Duration.milliseconds(200), .seconds(1), .seconds(3), nil] {
            do {
                if try await !queue.record(attempt, of: delivery, claim: claim, next: next) {
                    log.warning("the claim on a webhook ran out before its try was recorded")
                }
                return
            } catch {
                log.error("a webhook's try could not be recorded", metadata: ["error": "\(error)"])
                guard let wait, (try? await surroundings.sleep(wait)) != nil else { return }
            }
        }
    }

    private func tell(_ result: DeliverySchedule.Record, _ next: Timestamp?, _ delivery: Delivery, _ log: Logger) {
        let outcome = result.delivered ? "delivered" : next == nil ? "given_up" : "retrying"
        log.log(
            level: result.delivered ? .debug : next == nil ? .error : .warning, "webhook \(outcome)",
            metadata: [
                "webhook.url": "\(CallbackGuard.loggable(delivery.url))", "webhook.status": "\(result.status.map(String.init) ?? "none")",
                "webhook.error": "\(result.error ?? "")", "webhook.attempt": "\(delivery.attempts.count + 1)",
            ])
    }
}
