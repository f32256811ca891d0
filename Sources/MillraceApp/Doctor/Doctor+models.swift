import Logging
import MillraceCore
import MillraceInference
import MillraceWorker

// Whether the results of a model depend on what else is in its calls.
extension Doctor {
    /// Loads the model of each endpoint with `runner: onnx` and measures by how much items that share a call move each other's outputs.
    ///
    /// - Parameter limit: How long one model may take; what takes longer is left alone, unmeasured.
    public func measureModels(within limit: Duration = .seconds(60)) async -> [Finding] {
        var findings: [Finding] = []
        for endpoint in settings.endpoints where endpoint.manifest.runner == .onnx {
            let finding = await Self.first(within: limit) { await measure(endpoint) }
            findings.append(finding ?? note(Self.check, "\(endpoint.name): not measured within \(Int(limit.seconds)) s", nil))
        }
        return findings
    }

    private static let check = "batch mates"

    private func measure(_ endpoint: EndpointConfiguration) async -> Finding {
        let engines = EngineFactory(
            locations: locations, threads: settings.threads, environment: [:], scratchFolder: "", logger: Logger(label: "millrace.doctor") { _ in SwiftLogNoOpLogHandler() })
        do {
            let runner = try engines.make(endpoint).runner
            try await runner.load()
            let finding: Finding
            do {
                finding = describe(try await (runner as? any DriftMeasuring)?.measureDrift(), endpoint, isApart: !runner.remarks.isEmpty)
            } catch {
                finding = note(Self.check, "\(endpoint.name): not measured, the model takes no made-up example", nil)
            }
            await runner.close()
            return finding
        } catch {
            let error = error as? MillraceError
            return fault(Self.check, "\(endpoint.name): \(error?.message ?? "the model cannot be loaded")", error?.hint ?? "check the model's files")
        }
    }

    private func describe(_ drift: BatchDrift?, _ endpoint: EndpointConfiguration, isApart: Bool) -> Finding {
        let name = endpoint.name
        guard let drift else { return ok(Self.check, "\(name): items never share a call") }
        if drift.isTolerable { return ok(Self.check, "\(name): items of one call move each other's outputs by at most \(drift)") }
        let moved = "\(name): \(endpoint.manifest.name)'s outputs move by up to \(drift) with what else is in a call, over the \(BatchDrift.limit) allowed"
        if isApart { return note(Self.check, moved + "; each item is given a call of its own", "export the model with static quantisation, or none, to have it batched") }
        if endpoint.batching.itemsMax == 1 { return ok(Self.check, moved + "; it runs one item at a time") }
        return fault(Self.check, moved, "set endpoints.\(name).batching.itemsMax: 1, or export the model so that it computes every item for itself")
    }

    /// What `body` gives, or `nil` when it takes longer than the limit.
    private static func first<Value: Sendable>(within limit: Duration, _ body: @escaping @Sendable () async -> Value) async -> Value? {
        let (answers, continuation) = AsyncStream<Value?>.makeStream()
        // Unstructured: a library that loads a model cannot be stopped, and is left behind when it takes too long.
        Task { continuation.yield(await body()) }
        // Unstructured: it ends with this function, whichever comes first.
        let alarm = Task {
            try await Surroundings.system.sleep(limit)
            continuation.yield(nil)
        }
        defer { alarm.cancel() }
        for await answer in answers { return answer }
        return nil
    }
}
