import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire

/// Shows how an endpoint empties: one redrawn line on a terminal, a line for each tenth elsewhere.
struct DrainFollower {
    let client: MillraceClient
    let endpoint: String
    var surroundings = CommandSurroundings.current

    static let interval: Duration = .milliseconds(500)

    private var console: Console { surroundings.console }

    /// - Throws: `ExitCode` 130 when somebody presses Ctrl-C; the endpoint goes on draining.
    func follow() async throws {
        defer { console.draw("") }
        let isEmpty = try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await wait() }
            group.addTask {
                await surroundings.interruption()
                return false
            }
            return try await group.next() ?? false
        }
        try Task.checkCancellation()
        console.draw("")
        guard isEmpty else {
            console.note("stopped waiting; \(endpoint) goes on draining")
            throw ExitCode(ChildExit.interrupted.rawValue)
        }
        console.note("\(endpoint) is empty")
    }

    private func wait() async throws -> Bool {
        var most = 0
        var told: Int?
        while true {
            let now = try await client.endpoint(endpoint)
            guard now.mode == .draining else {
                throw CommandFault(.failure, "\(endpoint) is \(now.mode.rawValue) now: somebody else ended the draining")
            }
            let left = now.queued + now.running
            guard left > 0 else { return true }
            most = max(most, left)
            let bar = Self.bar(now, of: most)
            console.draw(bar.rendered(width: max(console.screen.width() - 1, 1)))
            let tenth = (most - left) * 10 / most
            if !console.screen.errorIsTerminal, told != tenth { console.note("\(endpoint): \(bar.details.joined(separator: ", "))") }
            told = tenth
            try await surroundings.surroundings.sleep(Self.interval)
        }
    }

    static func bar(_ endpoint: EndpointResource, of most: Int) -> ProgressBar {
        let left = endpoint.queued + endpoint.running
        return ProgressBar(
            label: "\(endpoint.name)  draining", fraction: Double(most - left) / Double(most),
            details: [
                "\(endpoint.queued) queued", "\(endpoint.running) running", endpoint.scheduled > 0 ? "\(endpoint.scheduled) for later" : "",
            ].filter { !$0.isEmpty })
    }
}
