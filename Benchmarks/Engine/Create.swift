import ArgumentParser

/// Makes a fresh store file with one worker in it: the engine and the C loop each begin with a copy of it.
struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a store file with one worker and no jobs.")

    @Option var path: String

    func run() async throws {
        try await BenchQueue(path: path).close()
        print(#"{"path":"\#(path)"}"#)
    }
}
