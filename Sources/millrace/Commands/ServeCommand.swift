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
              millrace serve --standby   # beside one that runs: takes over when that ends, however it does
            """)

    @OptionGroup var options: SettingsOptions
    @Option(help: "Address to listen on.") var host: String?
    @Option(help: "Port to listen on; 0 takes a free one.") var port: Int?

    @Flag(help: "Where another server has the data directory, wait for its end and take over its jobs and workers, with the settings read now.")
    var standby = false

    func run() async throws {
        let settings = try options.load(host: host, port: port)
        try await ServerApp(settings: settings, environment: ProcessInfo.processInfo.environment).run(standby: standby) { announcement in
            // Not `print`: a pipe would hold the text back until its buffer is full.
            FileHandle.standardOutput.write(Data(announcement.text.utf8))
        }
    }
}
