import ArgumentParser
import Foundation
import MillraceApp
import MillraceCore

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check this machine and say how to mend what is wrong.",
        discussion: """
            Looks at the settings, the models, ONNX Runtime, Python, poppler, the data directory, the disk, the port and the GPU.
            Loads each ONNX model and measures whether items that share a call move each other's results, at most 60 s each.
            Ends with 1 when something is at fault.

            Example:
              millrace doctor --config millrace.yaml
            """)

    @OptionGroup var options: SettingsOptions
    @Flag(help: "Print JSON.") var json = false

    @Flag(help: "Do not load the models to measure whether items that share a call move each other's results.") var skipModels = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let findings: [Doctor.Finding]
        do {
            let doctor = Doctor(settings: try options.load(), searchPath: environment["PATH"] ?? "")
            findings = doctor.findings() + (skipModels ? [] : await doctor.measureModels())
        } catch let error as MillraceError {
            findings = [.init(check: "settings", status: .fault, detail: error.message, remedy: error.hint ?? "mend the settings, then run this again")]
        }
        print(json ? try MillraceJSON.string(findings, pretty: true) : findings.map(line).joined(separator: "\n"))
        if findings.contains(where: { $0.status == .fault }) { throw ExitCode.failure }
    }

    private func line(_ finding: Doctor.Finding) -> String {
        let head = finding.status.rawValue.padding(toLength: 6, withPad: " ", startingAt: 0)
            + finding.check.padding(toLength: 16, withPad: " ", startingAt: 0) + finding.detail
        return head + (finding.remedy.map { "\n      to mend it:     \($0)" } ?? "")
    }
}
