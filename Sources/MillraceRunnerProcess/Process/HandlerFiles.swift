import Foundation
import MillraceCore
import MillraceInference
import MillraceWire

/// Looks at the files that a handler names before anybody opens them.
enum HandlerFiles {
    /// A handler's answer as an item's outcome; what it must not say becomes a failure of `handler_protocol`.
    static func outcome(of answer: HandlerAnswer, workdir: String) -> ItemOutcome {
        switch answer {
        case .cancelled: return .cancelled
        case .error(let failure): return .failed(failure)
        case .reply(let json, let outputs, let tensors):
            do {
                let all = outputs + (try ArrayFile.write(tensors, into: workdir))
                return .reply(HandlerReply(json: json, outputs: try checked(all, json: json, workdir: workdir)))
            } catch {
                return .failed(error)
            }
        }
    }

    /// The real path of a file that must lie under `workdir`, whatever links lead there.
    static func resolve(_ path: String, under workdir: String) throws(JobFailure) -> String {
        guard path.hasPrefix("/") else { throw refused("the path \"\(shown(path))\" is not absolute") }
        guard let root = real(workdir), let file = real(path) else { throw refused("there is no file \"\(shown(path))\"") }
        guard file.hasPrefix(root + "/") else { throw refused("the file \"\(shown(path))\" is not in the item's workdir") }
        var status = stat()
        guard lstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw refused("\"\(shown(path))\" is not a regular file")
        }
        return file
    }

    private static func checked(
        _ outputs: [HandlerWorkMessage.Result.Output], json: JSONValue?, workdir: String
    ) throws(JobFailure) -> [HandlerReply.File] {
        // The JSON value is stored as an output of this name.
        var names: Set<String> = json == nil ? [] : ["result.json"]
        var files: [HandlerReply.File] = []
        for output in outputs {
            guard isName(output.name) else { throw refused("\"\(shown(output.name))\" cannot be an output's name") }
            guard names.insert(output.name).inserted else { throw refused("two outputs have the name \"\(output.name)\"") }
            guard isMediaType(output.mediaType) else { throw refused("\"\(shown(output.mediaType))\" is not a media type") }
            let path = try resolve(output.path, under: workdir)
            files.append(HandlerReply.File(name: output.name, path: path, mediaType: output.mediaType))
        }
        if files.isEmpty, json == nil { throw refused("a result without json and without outputs") }
        return files
    }

    /// A name becomes a part of a URL and a header: one path component without control characters.
    ///
    /// Read scalar by scalar: a combining mark behind a slash would make another character of it.
    private static func isName(_ name: String) -> Bool {
        (1...255).contains(name.utf8.count) && name != "." && name != ".."
            && name.unicodeScalars.allSatisfy { $0 != "/" && $0.properties.generalCategory != .control }
    }

    private static func isMediaType(_ type: String) -> Bool {
        (3...255).contains(type.utf8.count) && type.contains("/") && type.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }

    private static func refused(_ what: String) -> JobFailure {
        JobFailure(.handlerProtocol, what, hint: "The model's handler needs a fix.")
    }

    private static func shown(_ text: String) -> String { text.count > 200 ? text.prefix(200) + "..." : text }

    private static func real(_ path: String) -> String? {
        guard !path.isEmpty, let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
