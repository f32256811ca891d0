import Foundation
import Logging
import MillraceCloud
import MillraceConformance
import MillraceCore
import ServiceLifecycle
import Testing

@testable import MillraceLocal

@Suite(.timeLimit(.minutes(1))) struct LocalFleetTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-fleet-\(UInt64.random(in: 0...UInt64.max))").path

    private func fleet(running script: String, slots: WorkerSlots = WorkerSlots()) throws -> LocalFleet {
        try LocalFleet(
            logFolder: folder, environment: ["PATH": "/usr/bin:/bin"], drainLimit: { _ in .seconds(20) }, surroundings: .system,
            logger: Logger(label: "test"), slots: slots, usesGPU: { $0 != "cpu" }
        ) { _, _, instance in
            ("/bin/sh", ["-c", script, instance])
        }
    }

    private func target(_ desired: Int, retire: Set<InstanceID> = []) -> FleetTarget {
        FleetTarget(endpoint: "ocr", variant: "a", desired: desired, retire: retire)
    }

    /// Runs the fleet as a service for the time of `body`, then stops it gracefully.
    private func running(_ fleet: LocalFleet, _ body: @escaping @Sendable (LocalFleet) async throws -> Void) async throws {
        let group = ServiceGroup(configuration: .init(services: [.init(service: fleet)], logger: Logger(label: "test")))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await body(fleet)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    @Test(arguments: FleetConformance.cases)
    func `keeps the promises of a fleet`(_ promise: FleetCase) async throws {
        try await promise.run { room, body in
            let fleet = try fleet(running: "trap 'exit 0' TERM; echo $$ > \(folder)/$0; while :; do sleep 0.02; done", slots: WorkerSlots(cpuSlots: room))
            try await running(fleet) { fleet in
                try await body(
                    FleetSubject(fleet, advance: { await Task.yield() }) { instance in
                        let file = "\(folder)/\(instance)"
                        while (try? String(contentsOfFile: file, encoding: .utf8))?.hasSuffix("\n") != true { await Task.yield() }
                        kill(pid_t(try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .newlines))!, SIGKILL)
                    })
            }
        }
    }

    @Test func `a machine without a free slot, or GPU, says so`() {
        let cpu = WorkerSlots(cpuSlots: 2)
        #expect(cpu.placed(usesGPU: false, [nil]) == "a slot")
        #expect(cpu.placed(usesGPU: true, [nil, nil]) == "all 2 slots of this machine are taken")
        let gpu = WorkerSlots(gpus: GPUSet(count: 2, visible: nil), cpuSlots: 1, workersPerGPU: 1)
        #expect(gpu.placed(usesGPU: true, [nil, "0"]) == "1")
        #expect(gpu.placed(usesGPU: true, ["1", "0"]) == "each of the GPUs 0, 1 has a worker")
        #expect(gpu.placed(usesGPU: false, ["1", "0"]) == "a slot")
        #expect(WorkerSlots().placed(usesGPU: false, Array(repeating: nil, count: 1000)) == "a slot")
    }

    @Test func `the same target twice starts no more than it asks for`() async throws {
        try await running(fleet(running: "exec sleep 1000")) { fleet in
            try await fleet.reconcile(target(2))
            try await fleet.reconcile(target(2))
            #expect(try await fleet.instances().count == 2)
        }
    }

    @Test func `each worker sees a GPU of its own, and one that a server before started keeps its`() async throws {
        let gpus = GPUSet(count: 3, visible: nil)
        let script = "echo \"gpu=$CUDA_VISIBLE_DEVICES\" > \(folder)/$0; exec sleep 1000"
        let before = Process()
        before.executableURL = URL(filePath: "/bin/sh")
        before.arguments = ["-c", "echo up; read line", "local:before"]
        before.environment = [GPUSet.variable: "1"]
        // It ends with its input: a child of this process may have SIGTERM blocked.
        let (input, up) = (Pipe(), Pipe())
        before.standardInput = input
        before.standardOutput = up
        try before.run()
        // Its environment is there once it speaks.
        _ = up.fileHandleForReading.availableData
        try await running(fleet(running: script, slots: WorkerSlots(gpus: gpus))) { fleet in
            let info = FleetInstance(id: "local:before", endpoint: "ocr", variant: "a", phase: .running, startedAt: .init(milliseconds: 0))
            #expect(fleet.adopt(info, process: before.processIdentifier))
            try await fleet.reconcile(target(3))
            try await fleet.reconcile(FleetTarget(endpoint: "cpu", variant: "a", desired: 1, retire: []))
            var seen: [String: [String]] = [:]
            for instance in try await fleet.instances() where instance.id != info.id {
                let file = "\(folder)/\(instance.id)"
                while (try? String(contentsOfFile: file, encoding: .utf8))?.hasSuffix("\n") != true { await Task.yield() }
                seen[instance.endpoint, default: []].append(try String(contentsOfFile: file, encoding: .utf8))
            }
            #expect(seen["ocr"]?.sorted() == ["gpu=0\n", "gpu=2\n"])
            #expect(seen["cpu"] == ["gpu=\n"])
            try input.fileHandleForWriting.close()
            before.waitUntilExit()
        }
    }

    @Test func `a worker that dies is told, with its status and the end of its log`() async throws {
        try await running(fleet(running: "echo 'no such model' >&2; exit 3")) { fleet in
            let interruptions = fleet.interruptions()
            try await fleet.reconcile(target(1))
            for await interruption in interruptions {
                #expect(interruption.reason == .ended(status: "exit 3", expected: false, stderrTail: "no such model\n"))
                break
            }
            #expect(try await fleet.instances().isEmpty)
        }
    }

    @Test func `a killed worker is told with its signal`() async throws {
        try await running(fleet(running: "kill -9 $$")) { fleet in
            let interruptions = fleet.interruptions()
            try await fleet.reconcile(target(1))
            for await interruption in interruptions {
                #expect(interruption.reason == .ended(status: "signal 9", expected: false, stderrTail: ""))
                break
            }
        }
    }

    @Test func `retired workers are asked to stop and are not replaced`() async throws {
        try await running(fleet(running: "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done")) { fleet in
            let interruptions = fleet.interruptions()
            try await fleet.reconcile(target(1))
            let instance = try #require(try await fleet.instances().first)
            try await fleet.reconcile(target(0, retire: [instance.id]))
            for await interruption in interruptions {
                guard case .ended(_, let expected, _) = interruption.reason else { continue }
                #expect(expected)
                break
            }
            #expect(try await fleet.instances().isEmpty)
        }
    }

    @Test func `a graceful stop waits for the workers`() async throws {
        let marker = folder + "/drained"
        try await running(fleet(running: "trap 'sleep 0.2; touch \(marker); exit 0' TERM; touch \(marker).up; while :; do sleep 0.02; done")) { fleet in
            try await fleet.reconcile(target(1))
            // The trap is set before the marker is there; only then may the stop come.
            while !FileManager.default.fileExists(atPath: marker + ".up") { await Task.yield() }
        }
        #expect(FileManager.default.fileExists(atPath: marker))
    }

    @Test func `a process that is gone, or that is another's, is not adopted`() async throws {
        let fleet = try fleet(running: "exit 0")
        let info = FleetInstance(id: "local:x", endpoint: "ocr", variant: "a", phase: .running, startedAt: .init(milliseconds: 0))
        #expect(!fleet.adopt(info, process: 1 << 22))
        #expect(!fleet.adopt(info, process: getpid()))
    }
}

extension WorkerSlots {
    fileprivate func placed(usesGPU: Bool, _ taken: [String?]) -> String {
        switch next(usesGPU: usesGPU, taken: taken) {
        case .success(let gpu): gpu ?? "a slot"
        case .failure(let problem): problem.message
        }
    }
}
