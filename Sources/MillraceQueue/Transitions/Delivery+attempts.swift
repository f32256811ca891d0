import MillraceCore

extension Delivery {
    /// Whether this claim is the current one. A claim whose time is over but that nobody else took is still good.
    public func isHeld(by claim: LeaseToken) -> Bool {
        state == .pending && self.claim == claim
    }

    /// Writes down a try and gives the claim back.
    public mutating func record(_ attempt: DeliveryAttempt, next: Timestamp?) {
        attempts.append(attempt)
        claim = nil
        if attempt.delivered {
            state = .delivered
        } else if let next {
            dueAt = next
        } else {
            state = .failed
        }
    }
}
