import Foundation
import MillraceApp
import MillraceCore
import Testing

@Suite struct QuotaSettingsTests {
    private func load(_ endpoint: String) throws -> EndpointConfiguration {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-quotas-\(UInt64.random(in: 0...UInt64.max))")
        try FileManager.default.createDirectory(at: folder.appendingPathComponent("model"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("name: e\nrunner: echo\n".utf8).write(to: folder.appendingPathComponent("model/model.yaml"))
        let file = folder.appendingPathComponent("millrace.yaml")
        try Data("endpoints:\n  e: { model: model, \(endpoint) }\n".utf8).write(to: file)
        return try #require(try SettingsLoader.load(flags: .init(file: file.path), environment: [:]).endpoints.first)
    }

    private func fault(_ endpoint: String) -> String {
        do { return "no fault: \(try load(endpoint))" } catch { return (error as? MillraceError)?.message ?? "\(error)" }
    }

    @Test func `quotas are read for the endpoint and for each tenant`() throws {
        let quotas = try load("quotas: { endpoint: { queuedMax: 1000, runningMax: 8, rate: 600/m, burst: 50 }, tenant: { rate: 100/s } }").quotas
        #expect(quotas.endpoint == Quota(queuedMax: 1000, runningMax: 8, rate: RateLimit(jobs: 600, per: .seconds(60), burst: 50)))
        #expect(quotas.tenant == Quota(rate: RateLimit(jobs: 100, per: .seconds(1), burst: 100)))
        #expect(try load("quotas: { tenant: { rate: 5000/h } }").quotas.tenant.rate == RateLimit(jobs: 5000, per: .seconds(3600)))
        #expect(try load("callback: https://example.com/x").quotas.isUnlimited)
    }

    @Test(arguments: ["100", "0/s", "100/w", "a/s", "-1/s", "1/2/s", "2000000/s"])
    func `what is no rate is told with an example`(rate: String) {
        #expect(fault("quotas: { tenant: { rate: \"\(rate)\" } }").contains("such as 100/s, 600/m or 5000/h"))
    }

    @Test func `a burst needs a rate, and unknown keys have a suggestion`() {
        #expect(fault("quotas: { tenant: { burst: 5 } }").contains("needs \"endpoints.e.quotas.tenant.rate\""))
        #expect(fault("quotas: { tenants: { queuedMax: 5 } }").contains("did you mean \"tenant\"?"))
        #expect(fault("quotas: { tenant: { queuedMax: 0 } }").contains("1 or more"))
    }

    @Test func `deadline, retentionMax and an endpoint that starts no workers`() throws {
        let endpoint = try load("deadline: 2h, retentionMax: 500, scaling: { max: 0 }")
        #expect(endpoint.deadline == .seconds(7200) && endpoint.retentionMax == 500 && endpoint.scaling.max == 0)
    }

    @Test func `a lease lasts a second or more`() throws {
        #expect(try SettingsLoader.load(flags: .init(), environment: ["MILLRACE_LEASE": "1s"]).lease == .seconds(1))
        #expect(throws: MillraceError.self) { try SettingsLoader.load(flags: .init(), environment: ["MILLRACE_LEASE": "900ms"]) }
    }
}
