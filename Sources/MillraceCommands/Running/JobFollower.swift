import ArgumentParser
import MillraceClient
import MillraceCore
import MillraceWire
import Synchronization

/// Shows a job while it goes on: one redrawn line on a terminal, plain lines elsewhere.
final class JobFollower: Sendable {
    private let client: MillraceClient
    private let surroundings: CommandSurroundings
    private let showsLogs: Bool
    private let eventsAsJSON: Bool
    private let view: Mutex<JobView>

    init(_ client: MillraceClient, title: String, showsLogs: Bool, eventsAsJSON: Bool = false, in surroundings: CommandSurroundings = .current) {
        self.client = client
        self.surroundings = surroundings
        self.showsLogs = showsLogs
        self.eventsAsJSON = eventsAsJSON
        view = Mutex(JobView(title: title, at: surroundings.surroundings.now()))
    }

    private var console: Console { surroundings.console }

    func uploaded(_ progress: UploadProgress) {
        view.withLock { $0.uploaded(progress) }
        draw()
    }

    /// Follows the job to its end.
    /// - Throws: `ExitCode` 130 when somebody presses Ctrl-C; the job goes on.
    func follow(_ id: JobID) async throws -> JobResource {
        defer { console.draw("") }
        let isFinished = try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await self.hear(id) }
            group.addTask {
                await self.surroundings.interruption()
                return false
            }
            if console.screen.errorIsTerminal { group.addTask { try await self.redraw() } }
            return try await group.next() ?? false
        }
        try Task.checkCancellation()
        guard isFinished else {
            console.draw("")
            console.note("stopped waiting; job \(id) goes on. Follow it with: millrace jobs watch \(id)")
            throw ExitCode(ChildExit.interrupted.rawValue)
        }
        return try await client.wait(for: id)
    }

    private func hear(_ id: JobID) async throws -> Bool {
        for try await event in client.events(of: id) {
            let line = view.withLock { $0.apply(event) }
            if eventsAsJSON { try console.print(try MillraceJSON.string(EventLine(event))) }
            if showsLogs, !eventsAsJSON, case .log(let log) = event.detail {
                console.note(LogText.line(log.message, log.level, at: nil, color: console.screen.usesColor && console.screen.errorIsTerminal))
            } else if let line, !console.screen.errorIsTerminal, !eventsAsJSON {
                console.note(TerminalText.safe(line))
            }
            draw()
        }
        return true
    }

    /// The elapsed time goes on while nothing happens.
    private func redraw() async throws -> Bool {
        while true {
            try await surroundings.surroundings.sleep(.seconds(1))
            draw()
        }
    }

    private func draw() {
        guard console.screen.errorIsTerminal, !eventsAsJSON else { return }
        // One column is left free: a terminal that is written full to the edge may wrap.
        let line = view.withLock { $0.bar(at: surroundings.surroundings.now()) }.rendered(width: max(console.screen.width() - 1, 1))
        console.draw(line)
    }
}

/// One event as a line of JSON.
struct EventLine: Encodable {
    private enum Key: String, CodingKey { case sequence, at, event, data }

    private let event: JobEvent

    init(_ event: JobEvent) {
        self.event = event
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(event.sequence, forKey: .sequence)
        try container.encode(event.at, forKey: .at)
        switch event.detail {
        case .state(let change):
            try container.encode("state", forKey: .event)
            try container.encode(change, forKey: .data)
        case .progress(let progress):
            try container.encode("progress", forKey: .event)
            try container.encode(progress, forKey: .data)
        case .log(let line):
            try container.encode("log", forKey: .event)
            try container.encode(line, forKey: .data)
        }
    }
}

enum LogText {
    /// `10:35:49  warning  the page is blank`.
    static func line(_ message: String, _ level: LogLine.Level, at time: Timestamp?, color: Bool) -> String {
        let paint: Paint? =
            switch level {
            case .debug: .dim
            case .info: nil
            case .warning: .yellow
            case .error: .red
            }
        let word = TerminalText.padded(level.rawValue, to: 7)
        let clock = time.map { "\($0.description.dropFirst(11).prefix(8))  " } ?? ""
        return clock + (paint.map { $0(word, color) } ?? word) + "  " + TerminalText.safeLines(message)
    }
}
