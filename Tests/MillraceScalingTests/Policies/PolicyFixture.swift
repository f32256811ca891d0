import MillraceCore

@testable import MillraceScaling

let epoch = Timestamp(milliseconds: 1_767_225_600_000)

func worker(_ number: UInt64, _ activity: VariantObservation.Worker.Activity) -> VariantObservation.Worker {
    .init(instance: "w\(number)", id: WorkerID(high: 0, low: number), activity: activity)
}

func observation(
    at seconds: Double = 0, ready: Int = 0, running: Int = 0, waited: Duration = .zero, min: Int = 0, max: Int = 20,
    workers: [VariantObservation.Worker] = [], demand: DemandHistory = DemandHistory(), _ adapt: (inout ScalingConfiguration) -> Void = { _ in }
) -> VariantObservation {
    var scaling = ScalingConfiguration()
    (scaling.min, scaling.max) = (min, max)
    adapt(&scaling)
    let now = epoch + .milliseconds(Int64(seconds * 1000))
    return VariantObservation(
        endpoint: "ocr", variant: "a", scaling: scaling, now: now, ready: ready, running: running,
        oldestReadyAt: ready > 0 ? now - waited : nil, workers: workers, demand: demand)
}

func busy(_ count: Int) -> [VariantObservation.Worker] { (0..<count).map { worker(UInt64($0 + 1), .busy) } }
