#if canImport(Glibc)
    import Glibc
#endif

/// What changes when a file does, its rights included, or when a link is set to another.
struct FileStamp: Equatable, Sendable {
    private var device: UInt64
    private var inode: UInt64
    private var bytes: Int64
    private var changedAt: [Int]

    /// `nil` when there is no such file.
    init?(_ path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
        bytes = Int64(info.st_size)
        changedAt = [info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec].map { Int($0) }
    }
}
