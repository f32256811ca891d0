import MillraceCore

/// A pipeline's task whose finished part can be kept, so that a later attempt goes on behind it.
///
/// What it makes of a long input is cut into parts as it goes: of each output, all parts that ``cut()`` gave one after another and then
/// what ``PipelineTask/finish()`` gives are the output, also when they come from several attempts.
public protocol ResumableTask: PipelineTask {
    /// Goes on behind the parts that earlier attempts gave. Called before the first ``PipelineTask/next()``, if at all; the first item
    /// is then number 0 all the same.
    ///
    /// - Parameter position: From the last cut that was kept.
    /// - Returns: how many items are behind this task, or `nil` when the position is none of this input's: the task begins at the start.
    func resume(from position: JSONValue) async throws -> Int?
    /// Ends a part behind the items that are finished without a gap. `nil`: nothing was finished since the last one.
    func cut() async throws -> TaskCut?
}

/// What a task has finished, and where it goes on.
public struct TaskCut: Sendable {
    public var position: JSONValue
    /// One of each of the job's outputs, in their order.
    public var parts: [PipelineOutput]

    public init(position: JSONValue, parts: [PipelineOutput]) {
        self.position = position
        self.parts = parts
    }
}
