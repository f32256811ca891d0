import MillraceCore
import MillraceQueue

// The gateway as a sender of webhooks.
extension Gateway {
    static let deliveryTriesMax = 60

    func claimDeliveries() {
        ask(.claimDeliveries(limit: 20, for: .milliseconds(Timing.deliveryClaim))) { [self] result in
            guard case .success(.deliveries(let deliveries)) = result else { return }
            for delivery in deliveries { send(delivery) }
        }
    }

    private func send(_ delivery: Delivery) {
        let receiver = world.receiver!
        world.call(self, receiver, timeout: 10_000) { _, answer in
            try receiver.receive(delivery, answer)
        } done: { [self] (result: Result<Int, CallFailure>) in
            let status = try? result.get()
            record(delivery, status, triesLeft: 3)
        }
    }

    /// Repeated for a while: a try that is not recorded would be made again.
    private func record(_ delivery: Delivery, _ status: Int?, triesLeft: Int) {
        guard let claim = delivery.claim else { return }
        let delivered = status == 200
        let wait = min(500 << Int64(min(delivery.attempts.count, 6)), 20_000)
        let next = delivered || delivery.attempts.count >= Self.deliveryTriesMax ? nil : clock.now + .milliseconds(wait)
        let attempt = DeliveryAttempt(
            at: clock.now, status: status, error: delivered ? nil : "not taken", delivered: delivered)
        ask(.record(attempt, of: delivery.id, claim: claim, next: next)) { [self] result in
            guard case .failure = result, triesLeft > 0 else { return }
            after(500) { [self] in record(delivery, status, triesLeft: triesLeft - 1) }
        }
    }
}
