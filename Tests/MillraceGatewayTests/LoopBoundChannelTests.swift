import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MillraceGateway

@Suite("A connection", .timeLimit(.minutes(1)))
struct LoopBoundChannelTests {
    /// Says where its handling runs: at its start, after it was elsewhere, and in a task below it.
    private final class Witness: ServerChildChannel {
        struct Value: ServerChildChannelValue {
            let channel: any Channel
        }
        let seen = Mutex<[Bool]>([])

        func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
            channel.eventLoop.makeSucceededFuture(Value(channel: channel))
        }

        func handle(value: Value, logger: Logger) async {
            let loop = value.channel.eventLoop
            var inLoop = [loop.inEventLoop]
            await withTaskExecutorPreference(globalConcurrentExecutor) { await Task.yield() }
            inLoop.append(loop.inEventLoop)
            inLoop.append(await withTaskGroup(of: Bool.self) { group in
                group.addTask { loop.inEventLoop }
                return await group.next() ?? false
            })
            seen.withLock { [inLoop] in $0 = inLoop }
        }
    }

    @Test("is handled on its own event loop")
    func binding() async throws {
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        let witness = Witness()
        let bound = LoopBoundChannel(base: witness)
        await bound.handle(value: .init(channel: channel), logger: Logger(label: "test"))
        #expect(witness.seen.withLock { $0 } == [true, true, true])
        try await channel.close()
    }
}
