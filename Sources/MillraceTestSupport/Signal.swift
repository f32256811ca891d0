import MillraceQueue

/// Something that the code under test says and a test waits for, instead of sleeping.
///
/// Values are kept until they are taken, the newest 1000 of them; each is taken once.
public final class Signal<Value: Sendable>: Sendable {
    private let stream: AsyncStream<Value>
    private let continuation: AsyncStream<Value>.Continuation

    public init(of type: Value.Type = Value.self) {
        (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1000))
    }

    public func send(_ value: Value) {
        continuation.yield(value)
    }

    /// No value comes after this.
    public func finish() {
        continuation.finish()
    }

    /// The next value, in the order of sending.
    /// - Throws: `CancellationError` when the task is cancelled or the signal has finished.
    public func next() async throws -> Value {
        var iterator = stream.makeAsyncIterator()
        guard let value = await iterator.next() else { throw CancellationError() }
        return value
    }
}

extension Signal where Value == Void {
    public func send() { send(()) }
}

/// Waits until a condition on a store holds, looking again after each hint.
public func eventually(
    _ changes: StoreChanges, _ topic: StoreChanges.Topic, _ condition: @Sendable () async throws -> Bool
) async throws {
    let hints = changes.hints(topic)
    if try await condition() { return }
    for await _ in hints {
        if try await condition() { return }
    }
    throw CancellationError()
}

/// Waits until a condition holds that nobody gives a signal for, letting other tasks run in between.
public func eventually(_ condition: @Sendable () async throws -> Bool) async throws {
    while try await !condition() {
        try Task.checkCancellation()
        await Task.yield()
    }
}
