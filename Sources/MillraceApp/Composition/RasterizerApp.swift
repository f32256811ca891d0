import MillraceVision

/// `millrace rasterize`, the process that reads one PDF file for a worker.
public enum RasterizerApp {
    public static func run(path: String) { Rasterizer.serve(path: path) }
}
