import ArgumentParser
import Foundation
import MillraceApp
import MillraceCommands

@main struct Millrace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "millrace", abstract: ClientCommands.abstract, discussion: ClientCommands.discussion,
        subcommands: [Serve.self] + ClientCommands.all + [WorkerCommand.self, Keys.self, DoctorCommand.self, Docs.self, Rasterize.self])

    static func main() async {
        var surroundings = CommandSurroundings.current
        surroundings.scaling = { try SettingsLoader.scaling(of: $0, in: $1) }
        Foundation.exit(await CommandRun.run(Millrace.self, in: surroundings))
    }
}
