import ArgumentParser
import Foundation
import MillraceCommands

@main struct Millrace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "millrace", abstract: ClientCommands.abstract, discussion: ClientCommands.discussion,
        subcommands: [Serve.self] + ClientCommands.all + [WorkerCommand.self, Keys.self, DoctorCommand.self, Docs.self, Rasterize.self])

    static func main() async {
        Foundation.exit(await CommandRun.run(Millrace.self))
    }
}
