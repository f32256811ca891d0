import Foundation
import MillraceCore
import MillraceVision

/// Where the parts that are not in the binary are found: the Python interpreter, the handler shim, ONNX Runtime.
public struct RuntimeLocations: Sendable {
    public var python: String
    /// The folder with the Python package `millrace`; `nil` when it was not found.
    public var shim: String?
    /// Files that may be the ONNX Runtime library, the likeliest first.
    public var onnxRuntimeCandidates: [String]

    public init(_ settings: Settings, searchPath: String) {
        let bases = Self.bases(settings)
        python = settings.python ?? bases.map { $0 + "/.venv/bin/python" }.first(where: FileManager.default.isExecutableFile) ?? "python3"
        if !python.contains("/") { python = Self.find(python, in: searchPath) ?? python }
        shim = bases.flatMap { [$0 + "/clients/python", $0 + "/share/millrace/python"] }
            .first { FileManager.default.fileExists(atPath: $0 + "/millrace/__init__.py") }
        if let named = settings.onnxRuntime {
            onnxRuntimeCandidates = Self.isFolder(named) ? Self.libraries(in: named) : [named]
        } else {
            onnxRuntimeCandidates = bases.flatMap { Self.libraries(in: $0) + Self.libraries(in: $0 + "/lib") + Self.pythonLibraries(in: $0) }
        }
    }

    /// The folder of the settings file, the current one, and those above the binary.
    private static func bases(_ settings: Settings) -> [String] {
        var bases: [String] = []
        if let file = settings.file { bases.append(URL(fileURLWithPath: file).deletingLastPathComponent().standardizedFileURL.path) }
        bases.append(FileManager.default.currentDirectoryPath)
        var folder = URL(fileURLWithPath: Self.executable).resolvingSymlinksInPath().deletingLastPathComponent()
        for _ in 0..<5 where folder.path != "/" {
            bases.append(folder.path)
            folder.deleteLastPathComponent()
        }
        var seen: Set<String> = []
        return bases.filter { seen.insert($0).inserted }
    }

    /// Starts this very binary, even when another has taken its place on the disk, to read a PDF file.
    var rasterizer: RasterizerProcess.Command { .init(executable: "/proc/self/exe", arguments: ["rasterize"]) }

    /// The path of the running binary.
    public static var executable: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }

    private static func find(_ program: String, in searchPath: String) -> String? {
        searchPath.split(separator: ":").map { $0 + "/" + program }.first(where: FileManager.default.isExecutableFile)
    }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    private static func libraries(in folder: String) -> [String] {
        names(in: folder).filter { $0.hasPrefix("libonnxruntime.so") }.map { folder + "/" + $0 }
    }

    private static func pythonLibraries(in base: String) -> [String] {
        let lib = base + "/.venv/lib"
        return names(in: lib).filter { $0.hasPrefix("python3") }
            .flatMap { libraries(in: "\(lib)/\($0)/site-packages/onnxruntime/capi") }
    }

    private static func names(in folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }
}
