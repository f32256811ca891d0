import MillraceCloud
import MillraceCore

/// Remembers which instances have registered. One that did and is no longer known to the store has said goodbye and is about to
/// end; without this memory it would look like one that has yet to start, and be replaced.
struct RegistrationMemory: Sendable {
    private var registered: Set<InstanceID> = []

    mutating func corrected(_ observations: [VariantObservation]) -> [VariantObservation] {
        let workers = observations.flatMap(\.workers)
        // Who is not there any more is forgotten, so that the memory stays as small as the fleet.
        registered.formIntersection(workers.map(\.instance))
        registered.formUnion(workers.filter { $0.id != nil }.map(\.instance))
        return observations.map { observation in
            var observation = observation
            for index in observation.workers.indices where observation.workers[index].id == nil {
                guard registered.contains(observation.workers[index].instance) else { continue }
                observation.workers[index].activity = .draining(holdsWork: false)
            }
            return observation
        }
    }
}
