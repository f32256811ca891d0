/// Where simulated workers come from.
public struct FleetModel: Sendable, Equatable {
    /// From wanted until the machine runs, seconds.
    public var boot: TimeDistribution
    /// Until the image and the model are there.
    public var pull: TimeDistribution
    /// Until the model is loaded and warm.
    public var load: TimeDistribution
    /// What the provider has; what is wanted beyond it is refused and asked for again.
    public var capacity: Int
    /// Spot interruptions of one worker in an hour.
    public var interruptionsPerHour: Double
    /// From the notice until the machine is taken.
    public var notice: Double
    /// Of one worker for one hour.
    public var price: Double

    public init(
        boot: TimeDistribution = .fixed(0), pull: TimeDistribution = .fixed(0), load: TimeDistribution = .fixed(0), capacity: Int = .max,
        interruptionsPerHour: Double = 0, notice: Double = 120, price: Double = 1
    ) {
        self.boot = boot
        self.pull = pull
        self.load = load
        self.capacity = capacity
        self.interruptionsPerHour = interruptionsPerHour
        self.notice = notice
        self.price = price
    }
}
