import MillraceCore
import MillraceQueue

/// Opens a new, empty store.
public typealias StoreFactory = @Sendable (Surroundings) async throws -> any Store
/// Opens two facades on one new, empty store: two gateways on one database.
public typealias StorePairFactory = @Sendable (Surroundings) async throws -> (any Store, any Store)
public typealias StoreCase = ConformanceCase<StoreFactory>
public typealias StorePairCase = ConformanceCase<StorePairFactory>

/// What every store promises. A fault found in one implementation becomes a case for all.
public enum StoreConformance {
    public static let cases: [StoreCase] = [
        admission, door, ordering, fairness, concurrency, leasing, waiting, fencing, endings, inlineOutputs, crashes, deadlines, control,
        modes, bulk, retention, deliveries, blobs, listing, events, history, standing, registry, leadership,
        clock, scaling,
    ].flatMap(\.self)

    static func promise(_ name: String, _ body: @escaping @Sendable (StoreBench) async throws -> Void) -> StoreCase {
        StoreCase(name) { try await body(StoreBench($0)) }
    }
}
