import MillraceCore

/// A single `Range: bytes=...` (RFC 9110, 14.1.2).
enum ByteRange: Equatable {
    /// Nothing that is understood, or several ranges: the whole is given, as the standard allows.
    case whole
    case part(Range<Int64>)
    case notSatisfiable

    init(_ header: String?, of total: Int64) {
        self = .whole
        guard let header, header.lowercased().hasPrefix("bytes=") else { return }
        let bounds = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false).map { $0.trimmingPrefix(" ") }
        guard bounds.count == 2, bounds.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else { return }
        switch (Int64(bounds[0]), Int64(bounds[1])) {
        case (let first?, _) where first >= 0 && (bounds[1].isEmpty || Int64(bounds[1]) != nil):
            let last = min(Int64(bounds[1]) ?? .max, total - 1)
            if let given = Int64(bounds[1]), given < first { return }
            self = first < total ? .part(first..<last + 1) : .notSatisfiable
        case (nil, let suffix?) where bounds[0].isEmpty && suffix >= 0:
            self = suffix > 0 && total > 0 ? .part(max(0, total - suffix)..<total) : .notSatisfiable
        default: return
        }
    }
}
