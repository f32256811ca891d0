import Foundation
import MillraceClient
import MillraceCore
import MillraceWire

/// Where the outputs of a job go: standard output, a file, or a folder that takes all of them.
struct ResultSink {
    let client: MillraceClient
    let console: Console

    /// - Parameters:
    ///   - name: which output; `nil`: the first, and for a folder all of them.
    ///   - target: a file, a folder (one that is there, or a path with a slash at its end), or `nil` for standard output.
    func take(_ job: JobResource, name: String?, to target: String?) async throws {
        guard let target, target != "-" else { return try await show(try await client.result(of: job.id, name: name)) }
        guard isFolder(target) else {
            return try await save(try await client.result(of: job.id, name: name), to: target)
        }
        try makeFolder(target)
        for name in name.map({ [$0] }) ?? job.outputs.map(\.name) {
            // By scalars: a combining mark behind a slash would make another character of it.
            guard !name.unicodeScalars.contains("/"), name != ".", name != "..", !name.isEmpty else {
                throw CommandFault(.failure, "the output \"\(name)\" cannot be a file's name", hint: "save it alone, with --output FILE")
            }
            let path = target.hasSuffix("/") ? target + name : "\(target)/\(name)"
            try await save(try await client.result(of: job.id, name: name), to: path)
        }
    }

    private func show(_ result: JobResult) async throws {
        let isTerminal = console.screen.outputIsTerminal
        guard !isTerminal || Self.isText(result.mediaType) else {
            let size = result.bytesTotal.map { ", \(Quantities.bytes($0))" } ?? ""
            throw CommandFault(
                .failure, "the result is \(result.mediaType)\(size), which is not for a terminal",
                hint: "save it with --output FILE, or send it on with a pipe")
        }
        console.draw("")
        var last: UInt8?
        for try await chunk in result {
            try console.write(chunk)
            last = chunk.last ?? last
        }
        if isTerminal, let last, last != UInt8(ascii: "\n") { try console.write([UInt8(ascii: "\n")]) }
    }

    private func save(_ result: JobResult, to path: String) async throws {
        let total = result.bytesTotal
        let bytes = try await result.write(to: path) { [console] written in
            let fraction = total.map { Double(written) / Double(max($0, 1)) }
            let bar = ProgressBar(label: "saving \(path)", fraction: fraction, details: [Quantities.bytes(written)])
            console.draw(bar.rendered(width: max(console.screen.width() - 1, 1)))
        }
        console.draw("")
        console.note(TerminalText.safe("saved \(path) (\(Quantities.bytes(bytes)))"))
    }

    private func isFolder(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return path.hasSuffix("/") || FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }

    private func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw CommandFault(.failure, "the folder \(path) cannot be made")
        }
    }

    static func isText(_ mediaType: String) -> Bool {
        let type = mediaType.split(separator: ";")[0].lowercased()
        return type.hasPrefix("text/") || type.hasSuffix("+json") || type.hasSuffix("+xml")
            || ["application/json", "application/xml", "application/x-ndjson", "application/yaml"].contains(type)
    }
}
