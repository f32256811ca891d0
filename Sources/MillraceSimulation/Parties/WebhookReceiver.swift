import MillraceQueue

/// Takes webhooks, sometimes slowly, sometimes not at all, and tells the auditor each one that it got.
final class WebhookReceiver: Party {
    init(_ world: World, index: Int) {
        super.init(world, "receiver", index: index)
    }

    func receive(_ delivery: Delivery, _ answer: @escaping World.Answer<Int>) throws {
        if !world.isCalm, world.dice.chance(0.15) { return try answer(.success(503)) }
        try world.auditor.received(delivery)
        let wait = !world.isCalm && world.dice.chance(0.1) ? world.dice.number(1_000...15_000) : 1
        after(wait) { try answer(.success(200)) }
    }
}
