import ArgumentParser
import Foundation
import MillraceApp

/// Where the settings come from; shared by the commands that run on the server's machine.
struct SettingsOptions: ParsableArguments {
    @Option(help: "The settings file; millrace.yaml in this folder when left out.") var config: String?
    @Option(help: "The folder where jobs, files, keys and logs are kept; .millrace when left out.") var data: String?

    /// - Parameter versions: whether the models' versions matter, for which every byte of them is read.
    func load(host: String? = nil, port: Int? = nil, versions: Bool = true) throws -> Settings {
        try SettingsLoader.load(
            flags: .init(file: config, host: host, port: port, dataDirectory: data), environment: ProcessInfo.processInfo.environment,
            versions: versions)
    }
}
