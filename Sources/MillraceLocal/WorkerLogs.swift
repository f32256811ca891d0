import Foundation
import MillraceCloud

/// The files with what workers say, one for each.
enum WorkerLogs {
    /// Files that are kept for one endpoint; the oldest go.
    private static let filesMax = 20
    private static let tailBytes: UInt64 = 4096

    static func path(in folder: String, of instance: FleetInstance) -> String {
        "\(folder)/\(instance.endpoint)-\(instance.id.dropFirst("local:".count)).log"
    }

    /// The last 4 KiB.
    static func tail(of path: String) -> String {
        guard let handle = FileHandle(forReadingAtPath: path) else { return "" }
        defer { try? handle.close() }
        let size = (try? handle.seekToEnd()) ?? 0
        try? handle.seek(toOffset: size > tailBytes ? size - tailBytes : 0)
        return String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
    }

    /// An instance's name begins with the time of its start, so the order of names is that of starts.
    static func prune(in folder: String, endpoint: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        // `ocr-` also begins the files of an endpoint `ocr-fast`; their length tells them apart.
        let length = endpoint.utf8.count + 1 + 36 + ".log".utf8.count
        let own = names.filter { $0.hasPrefix(endpoint + "-") && $0.utf8.count == length }.sorted()
        for name in own.dropLast(filesMax) { try? FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
    }
}
