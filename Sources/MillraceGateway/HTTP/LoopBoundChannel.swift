import HummingbirdCore
import Logging
import MillraceEventLoops
import NIOCore

/// A connection whose requests are handled on its own event loop.
///
/// Hummingbird handles them on the shared pool, which wakes a thread for each step between the socket and a handler; with short
/// requests that costs more than the handling does. What blocks has no place on an event loop, as it has none in the pool: it goes
/// to a thread of its own.
struct LoopBoundChannel<Base: ServerChildChannel>: ServerChildChannel {
    let base: Base

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
        base.setup(channel: channel, logger: logger)
    }

    func handle(value: Base.Value, logger: Logger) async {
        await withTaskExecutorPreference(EventLoopExecutor(value.channel.eventLoop)) {
            await base.handle(value: value, logger: logger)
        }
    }
}
