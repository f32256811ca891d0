import MillraceCore
import Testing

@testable import MillraceScaling

@Suite struct FleetMachinesTests {
    @Test func `what a fleet says of endpoints that are not configured leaves nothing behind`() {
        let endpoint = EndpointConfiguration(name: "ocr", modelDirectory: "/m", manifest: ModelManifest(name: "m", runner: .echo), modelVersion: "")
        let machines = FleetMachines([endpoint])
        let now = Timestamp(milliseconds: 0)
        for name in ["ocr", "ocr", "gone", "invented"] { machines.update(FleetKey(endpoint: name, variant: endpoint.variant), at: now) { _ in } }
        var count = 0
        machines.updateAll { _ in count += 1 }
        #expect(count == 1)
    }
}
