import ArgumentParser
import MillraceApp

/// Started by workers; not for people.
struct Rasterize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give the pages of a PDF file to the worker that started this.", shouldDisplay: false)

    @Argument(help: "The PDF file.") var path: String

    func run() { RasterizerApp.run(path: path) }
}
