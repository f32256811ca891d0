import ArgumentParser
import MillraceApp

/// Prints the reference pages that are made from the registries in the code.
struct Docs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a reference page made from the code: settings or errors.", shouldDisplay: false)

    enum Page: String, ExpressibleByArgument, CaseIterable { case settings, errors }
    @Argument(help: "Which page.") var page: Page

    func run() {
        print(page == .settings ? ReferencePages.settings : ReferencePages.errors, terminator: "")
    }
}
