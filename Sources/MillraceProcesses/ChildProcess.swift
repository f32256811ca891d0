import Subprocess
import SystemPackage

/// Runs a program in a session of its own: Ctrl-C in a terminal is not for it, and one signal reaches it with all its children.
public enum ChildProcess {
    public enum Signal: Equatable, Sendable { case terminate, kill }
    public enum Stream: Sendable { case output, error }
    public enum Life: Sendable {
        /// The program notices by itself when this process is gone.
        case own
        /// Its standard input is this descriptor, the reading end of a pipe, which is closed here once the program has it. Whoever
        /// holds the other end can tell the program something, and be missed by it.
        case listening(Int32)
        /// The program's session ends with this process, even when this one is killed.
        case tethered
    }

    /// A pipe that no program started meanwhile inherits; `nil` when there are too many open files.
    public static func makePipe() -> (reading: Int32, writing: Int32)? {
        (try? FileDescriptor.pipe(options: .closeOnExec)).map { ($0.readEnd.rawValue, $0.writeEnd.rawValue) }
    }

    /// Runs the program to its end, and ends what it left behind in its session. The task must not be cancelled: whoever
    /// wants the program to end sends a signal.
    ///
    /// - Parameters:
    ///   - signals: sent to the whole session.
    ///   - read: gets what is written to standard output and error. It is waited for, so that a program that writes faster
    ///     than it is read has to wait too.
    public static func run(
        _ command: ChildCommand, life: Life = .own, signals: AsyncStream<Signal>,
        read: @escaping @Sendable ([UInt8], Stream) async -> Void
    ) async -> ChildExit {
        do {
            switch life {
            case .own: return try await run(command, input: .none, signals, read)
            case .listening(let input):
                return try await run(
                    command, input: .fileDescriptor(FileDescriptor(rawValue: input), closeAfterSpawningProcess: true), signals, read)
            case .tethered:
                let ends = try FileDescriptor.pipe(options: .closeOnExec)
                // Its closing, by this or by this process's end, is what the other side waits for.
                defer { try? ends.writeEnd.close() }
                return try await run(
                    command.tethered, input: .fileDescriptor(ends.readEnd, closeAfterSpawningProcess: true), signals, read)
            }
        } catch {
            return .notStarted("\(error)")
        }
    }

    private static func run(
        _ command: ChildCommand, input: some InputProtocol, _ signals: AsyncStream<Signal>,
        _ read: @escaping @Sendable ([UInt8], Stream) async -> Void
    ) async throws -> ChildExit {
        let result = try await Subprocess.run(
            command.configuration, input: input, output: .sequence, error: .sequence
        ) { execution in
            await withTaskGroup { group in
                group.addTask { await pass(execution.standardOutput) { await read($0, .output) } }
                group.addTask { await pass(execution.standardError) { await read($0, .error) } }
                await withTaskGroup { sending in
                    sending.addTask {
                        for await signal in signals { try? execution.send(signal: signal.number, toProcessGroup: true) }
                    }
                    // Signal 0 does nothing, so this tear-down is a wait for the exit: the one way that Subprocess
                    // has to wait for it inside the body, where the process is not reaped yet.
                    await execution.teardown(
                        using: [.send(signal: .init(rawValue: 0), allowedDurationToNextStep: .seconds(10 * 365 * 86_400))])
                    // Its number is still its own, so this reaches what it left behind and nobody else.
                    try? execution.send(signal: .kill, toProcessGroup: true)
                    sending.cancelAll()
                }
            }
        }
        return switch result.terminationStatus {
        case .exited(let code): .exited(code)
        case .signaled(let number): .signaled(number)
        }
    }

    private static func pass(_ output: SubprocessOutputSequence, to read: ([UInt8]) async -> Void) async {
        do {
            for try await buffer in output { await read(buffer.withUnsafeBytes { Array($0) }) }
        } catch {
            // The pipe is gone; the exit says the rest.
        }
    }
}

extension ChildProcess.Signal {
    fileprivate var number: Subprocess.Signal {
        switch self {
        case .terminate: .terminate
        case .kill: .kill
        }
    }
}

extension ChildCommand {
    fileprivate var configuration: Subprocess.Configuration {
        var options = PlatformOptions()
        options.createSession = true
        let variables = environment.compactMap { name, value in Environment.Key(rawValue: name).map { ($0, value) } }
        return Subprocess.Configuration(
            executable: program.contains("/") ? .path(FilePath(program)) : .name(program), arguments: Arguments(arguments),
            environment: .custom(Dictionary(uniqueKeysWithValues: variables)), workingDirectory: FilePath(folder),
            platformOptions: options)
    }
}
