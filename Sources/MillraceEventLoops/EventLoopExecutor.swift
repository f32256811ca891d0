public import NIOCore

/// Runs tasks on one event loop: between a socket and what answers it no other thread is woken, which costs more than short
/// answers do.
///
/// What blocks, or computes for long, has no place there: all connections of the loop would wait for it.
public final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    public init(_ loop: any EventLoop) {
        self.loop = loop
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
