/// How a handler does, from its start to its end: what its worker's log says of it.
public enum HandlerHealth: String, Sendable, CaseIterable {
    /// The process has been started; its model is not loaded yet.
    case starting
    /// It waits for a batch.
    case ready
    /// It works on a batch.
    case busy
    /// It did not answer a ping in time, and is being ended.
    case unresponsive
    /// It leaves, or is being made to.
    case stopping
    /// It is gone, as asked.
    case stopped
    /// It is gone, and nobody asked it to go.
    case failed
}

extension HandlerSession {
    var health: HandlerHealth {
        switch phase {
        case .starting: .starting
        case .idle: .ready
        case .running, .settling: .busy
        case .ending(.hung): .unresponsive
        case .ending: .stopping
        case .ended: endedAsAsked ? .stopped : .failed
        }
    }
}
