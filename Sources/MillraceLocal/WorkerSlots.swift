import MillraceCloud

/// How many workers a machine has room for: slots without a GPU, and GPUs by name.
public struct WorkerSlots: Sendable, Equatable {
    public let gpus: GPUSet
    /// Workers without a GPU of their own; `nil`: no limit.
    public let cpuSlots: Int?
    /// Workers on each GPU; `nil`: no limit.
    public let workersPerGPU: Int?

    public init(gpus: GPUSet = GPUSet(count: 0, visible: nil), cpuSlots: Int? = nil, workersPerGPU: Int? = nil) {
        self.gpus = gpus
        self.cpuSlots = cpuSlots
        self.workersPerGPU = workersPerGPU
    }

    /// The place of one more worker: a GPU by name, or `nil` for a slot without one.
    /// - Parameter taken: the GPU of each worker that is there, those that stop too; `nil` for one that has none.
    func next(usesGPU: Bool, taken: [String?]) -> Result<String?, FleetProblem> {
        if usesGPU, let gpu = gpus.next(taken: taken.compactMap(\.self)) {
            if let max = workersPerGPU, taken.count(where: { $0 == gpu }) >= max { return .failure(gpusTaken(max)) }
            return .success(gpu)
        }
        if let max = cpuSlots, taken.count(where: { $0 == nil }) >= max { return .failure(slotsTaken(max)) }
        return .success(nil)
    }

    private func gpusTaken(_ max: Int) -> FleetProblem {
        let names = gpus.names.joined(separator: ", ")
        let each = max == 1 ? "a worker" : "\(max) workers, as many as there may be"
        return FleetProblem(.capacity, gpus.names.count == 1 ? "GPU \(names) has \(each)" : "each of the GPUs \(names) has \(each)")
    }

    private func slotsTaken(_ max: Int) -> FleetProblem {
        FleetProblem(.capacity, max == 0 ? "this machine has no slot for workers without a GPU" : "all \(max) slots of this machine are taken")
    }
}
