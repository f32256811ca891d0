/// One job of a simulated day.
public struct Arrival: Sendable, Equatable {
    /// Seconds from the start.
    public var at: Double
    public var inputSize: Double
    public var outputSize: Double
    /// What it takes one worker, in seconds, where that is known.
    public var work: Double?

    public init(at: Double, inputSize: Double = 0, outputSize: Double = 0, work: Double? = nil) {
        self.at = at
        self.inputSize = inputSize
        self.outputSize = outputSize
        self.work = work
    }
}

/// Jobs one after the other, in the order of their arrival: traces are longer than memory.
public protocol ArrivalSource {
    mutating func next() throws -> Arrival?
}

/// A list that is in memory already.
public struct ListedArrivals: ArrivalSource, Sendable {
    private let all: [Arrival]
    private var index = 0

    public init(_ all: [Arrival]) {
        self.all = all
    }

    public mutating func next() -> Arrival? {
        guard index < all.count else { return nil }
        defer { index += 1 }
        return all[index]
    }
}

/// Another source with its time stretched and only a share of its jobs kept.
public struct ReshapedArrivals: ArrivalSource {
    private var source: any ArrivalSource
    private let stretch: Double
    private let keep: Double
    private var random: SeededRandom

    public init(_ source: any ArrivalSource, stretch: Double = 1, keep: Double = 1, seed: UInt64 = 1) {
        self.source = source
        self.stretch = stretch
        self.keep = keep
        random = SeededRandom(seed: seed, stream: 7)
    }

    public mutating func next() throws -> Arrival? {
        while var arrival = try source.next() {
            guard keep >= 1 || random.fraction() < keep else { continue }
            arrival.at *= stretch
            return arrival
        }
        return nil
    }
}
