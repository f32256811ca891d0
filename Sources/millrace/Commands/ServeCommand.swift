import ArgumentParser
import Foundation
import MillraceApp

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start the server: gateway, queue and local workers.",
        discussion: """
            With nothing but a millrace.yaml it keeps jobs in SQLite and files in a folder, starts workers when there is work
            and stops them when there is none. The first start makes an API key and keeps it in the data directory.

            Examples:
              millrace serve
              millrace serve --config demo/millrace.yaml --data /var/lib/millrace --port 9000
            """)

    @OptionGroup var options: SettingsOptions
    @Option(help: "Address to listen on.") var host: String?
    @Option(help: "Port to listen on; 0 takes a free one.") var port: Int?

    func run() async throws {
        let settings = try options.load(host: host, port: port)
        try await ServerApp(settings: settings, environment: ProcessInfo.processInfo.environment).run { announcement in
            // Not `print`: a pipe would hold the text back until its buffer is full.
            FileHandle.standardOutput.write(Data(announcement.text.utf8))
        }
    }
}
