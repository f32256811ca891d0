/// Where an endpoint's model is to compute.
public enum DeviceChoice: String, Sendable, Codable, CaseIterable {
    /// On a GPU where there is one that can be used, else on the CPU; which it is, is logged.
    case auto
    case cpu
    /// On a GPU, and nowhere else: where none can be used, the worker does not start.
    case gpu
}
