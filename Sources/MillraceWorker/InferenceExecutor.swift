import Dispatch

/// Threads for work that keeps a core busy (decoding, tokenizing, encoding), so that the cooperative pool, which has one thread a
/// core, is always free for heartbeats.
final class InferenceExecutor: TaskExecutor {
    private let queue = DispatchQueue(label: "millrace.inference", attributes: .concurrent)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedTaskExecutor()
        queue.async { job.runSynchronously(on: executor) }
    }
}
