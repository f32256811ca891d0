import CMalloc
import Foundation

/// Keeps what a worker frees for its next photo, in place of giving it back to the system with each.
///
/// Images and tensors of half a megabyte and more are made and dropped for every item. By default the C library maps and unmaps each
/// of them, and the system clears their pages anew: 107 page faults for a photo, 9 with this (`mallopt(3)`).
enum FreedMemory {
    /// Larger ones, as pages of documents are, still go back at once.
    private static let mappedFrom: Int32 = 32 << 20
    private static let keptMax: Int32 = 64 << 20

    static func keep() {
        mallopt(M_MMAP_THRESHOLD, mappedFrom)
        mallopt(M_TRIM_THRESHOLD, keptMax)
        // What is kept is kept in each arena; the default is eight for each core.
        mallopt(M_ARENA_MAX, Int32(clamping: max(2, ProcessInfo.processInfo.activeProcessorCount)))
    }
}
