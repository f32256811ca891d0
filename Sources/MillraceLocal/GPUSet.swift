import Foundation

/// The GPUs that this machine's workers may use, and which of them a new worker gets.
public struct GPUSet: Sendable, Equatable {
    /// What a process reads to see only some GPUs.
    public static let variable = "CUDA_VISIBLE_DEVICES"

    /// As the variable names them: numbers, or names such as `GPU-8932f937`.
    public let names: [String]

    /// - Parameters:
    ///   - count: how many the machine has.
    ///   - visible: what the operator put into ``variable``, which restricts the set; `nil`: all.
    ///
    /// CUDA reads such a list up to the first entry that names no device, so an empty one means none.
    ///
    /// Source: NVIDIA, CUDA C++ Programming Guide, "CUDA Environment Variables".
    public init(count: Int, visible: String?) {
        guard count > 0 else { names = []; return }
        guard let visible else { names = (0..<count).map(String.init); return }
        var listed: [String] = []
        for entry in visible.split(separator: ",", omittingEmptySubsequences: false) {
            let name = entry.trimmingCharacters(in: .whitespaces)
            let isDevice = Int(name).map { (0..<count).contains($0) } ?? (name.hasPrefix("GPU-") || name.hasPrefix("MIG-"))
            guard isDevice, !listed.contains(name) else { break }
            listed.append(name)
        }
        names = listed
    }

    /// The GPU that the fewest workers have, the first of several; `nil`: there is none.
    /// - Parameter taken: the GPU of each worker that has one.
    public func next(taken: [String]) -> String? {
        names.min { a, b in taken.count { $0 == a } < taken.count { $0 == b } }
    }

    /// The GPU in a worker's environment, if it is one of these.
    func pin(inEnvironment block: Data) -> String? {
        let prefix = Self.variable + "="
        let entries = block.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        return entries.first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }.flatMap { names.contains($0) ? $0 : nil }
    }
}
