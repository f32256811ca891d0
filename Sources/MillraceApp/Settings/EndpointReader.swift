import Foundation
import MillraceCore
import MillraceGateway
import Yams

/// Reads one endpoint of `millrace.yaml` and the model it names.
struct EndpointReader {
    /// The folder of the settings file, to which model folders are relative.
    let base: URL
    /// Whether to read all of each model to tell its version; else the version is empty.
    let versions: Bool

    func read(_ name: String, _ node: Node, _ faults: inout Faults) -> EndpointConfiguration? {
        let path = "endpoints.\(name)"
        guard name.isEndpointName else {
            faults.add("\"\(path)\"\(node.place): a name has 1 to 63 of a-z, 0-9 and -, and begins with a letter")
            return nil
        }
        var reader = MappingReader(node, path: path, faults: &faults)
        guard node.mapping != nil else { return nil }
        defer { reader.finish(&faults) }
        guard let model = reader.string("model", &faults) else {
            faults.add("\"\(path).model\"\(node.place) is missing: the folder of the model")
            skip(&reader)
            return nil
        }
        let folder = URL(fileURLWithPath: model, relativeTo: base).standardizedFileURL.path
        do {
            let manifest = try ManifestLoader.load(folder)
            var endpoint = EndpointConfiguration(
                name: name, modelDirectory: folder, manifest: manifest, modelVersion: versions ? try ModelVersion.of(folder, manifest) : "")
            if [.process, .http].contains(manifest.runner), manifest.itemsMax == nil { endpoint.batching.itemsMax = 1 }
            // A model server is given one body.
            if manifest.runner == .http { endpoint.limits.filesMax = 1 }
            fill(&endpoint, from: &reader, &faults)
            return endpoint
        } catch {
            faults.add("\"\(path).model\": \((error as? MillraceError)?.message ?? "\(error)")")
            skip(&reader)
            return nil
        }
    }

    /// Reads the keys for nothing, so that they are not called unknown beside the fault that matters.
    private func skip(_ reader: inout MappingReader) { _ = reader.takeAll() }

    /// A duration after which jobs expire.
    private func lifetime(_ key: String, _ reader: inout MappingReader, _ faults: inout Faults) -> Duration? {
        guard let value = reader.duration(key, &faults) else { return nil }
        guard value > .zero else {
            faults.add("\"\(reader.full(key))\" must be more than 0: every job would expire at once")
            return nil
        }
        return value
    }

    private func fill(_ endpoint: inout EndpointConfiguration, from reader: inout MappingReader, _ faults: inout Faults) {
        reader.mapping("batching", &faults) { reader, faults in
            if let value = reader.integer("itemsMax", &faults, in: 1...4096) { endpoint.batching.itemsMax = value }
            if let value = reader.integer("costMax", &faults, in: 1...Int.max) { endpoint.batching.costMax = value }
            if let value = reader.duration("waitMax", &faults) { endpoint.batching.waitMax = value }
        }
        if let value = reader.value("device", "auto, cpu or gpu", &faults, { $0.scalar.flatMap { DeviceChoice(rawValue: $0.string) } }) {
            endpoint.device = value
        }
        if let value = reader.value("fleet", "any, local or joined", &faults, { $0.scalar.flatMap { FleetChoice(rawValue: $0.string) } }) {
            endpoint.fleet = value
        }
        reader.mapping("retry", &faults) { reader, faults in
            if let value = reader.integer("attemptsMax", &faults, in: 1...100) { endpoint.retry.attemptsMax = value }
            if let value = reader.integer("crashesMax", &faults, in: 1...100) { endpoint.retry.crashesMax = value }
            if let value = reader.duration("backoffBase", &faults) { endpoint.retry.backoffBase = value }
            if let value = reader.duration("backoffMax", &faults) { endpoint.retry.backoffMax = value }
        }
        reader.mapping("limits", &faults) { reader, faults in
            if let value = reader.bytes("bytesMax", &faults) { endpoint.limits.bytesMax = value }
            if let value = reader.integer("filesMax", &faults, in: 1...10_000) { endpoint.limits.filesMax = value }
            if let value = reader.integer("pagesMax", &faults, in: 1...Int.max) { endpoint.limits.pagesMax = value }
            if let value = reader.integer("pixelsMax", &faults, in: 1...Int.max) { endpoint.limits.pixelsMax = Int64(value) }
            if let value = reader.integer("rowsMax", &faults, in: 1...Int.max) { endpoint.limits.rowsMax = value }
        }
        reader.mapping("scaling", &faults) { reader, faults in ScalingReader.fill(&endpoint.scaling, from: &reader, &faults) }
        if let value = reader.string("callback", &faults) {
            endpoint.callback = value
            do { try Gateway.checkCallback(value) } catch {
                faults.add("\"\(reader.full("callback"))\": \((error as? MillraceError)?.message ?? "\(error)")")
            }
        }
        if let value = reader.duration("runLimit", &faults) { endpoint.runLimit = value }
        if let value = reader.duration("checkpointInterval", &faults) { endpoint.checkpointInterval = value }
        if let value = lifetime("timeToLive", &reader, &faults) { endpoint.timeToLive = value }
        if let value = lifetime("deadline", &reader, &faults) { endpoint.deadline = value }
        if let value = reader.duration("retention", &faults) { endpoint.retention = value }
        if let value = reader.integer("retentionMax", &faults) { endpoint.retentionMax = value }
        reader.mapping("quotas", &faults) { reader, faults in
            reader.mapping("endpoint", &faults) { reader, faults in endpoint.quotas.endpoint = quota(&reader, &faults) }
            reader.mapping("tenant", &faults) { reader, faults in endpoint.quotas.tenant = quota(&reader, &faults) }
        }
    }

    private func quota(_ reader: inout MappingReader, _ faults: inout Faults) -> Quota {
        var quota = Quota()
        quota.queuedMax = reader.integer("queuedMax", &faults, in: 1...Int.max)
        quota.runningMax = reader.integer("runningMax", &faults, in: 1...Int.max)
        quota.rate = reader.value("rate", "a number of jobs in a time, such as 100/s, 600/m or 5000/h", &faults) {
            $0.scalar.flatMap { Quantity.rate($0.string) }
        }
        if let burst = reader.integer("burst", &faults, in: 1...1_000_000_000) {
            if quota.rate == nil { faults.add("\"\(reader.full("burst"))\" needs \"\(reader.full("rate"))\" beside it") }
            quota.rate?.burst = burst
        }
        return quota
    }
}

extension String {
    var isEndpointName: Bool {
        (1...63).contains(utf8.count) && first!.isASCII && first!.isLowercase
            && allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
    }
}
