import HTTPTypes
import MillraceCore

/// `Prefer: wait=N` (RFC 7240, 4.3): how long a client is ready to wait for the answer.
enum Preference {
    /// - Returns: whole seconds, at most `limit`; `nil` when the header says nothing that is understood.
    static func wait(in headers: HTTPFields, limit: Duration) -> Duration? {
        for value in headers[values: .prefer] {
            for preference in value.split(separator: ",") {
                let (word, _) = HeaderParameters.split(String(preference))
                let parts = word.split(separator: "=", maxSplits: 1).map { $0.trimmingPrefix(" ") }
                guard parts.count == 2, parts[0].lowercased() == "wait", let seconds = Int(parts[1]), seconds >= 0 else { continue }
                return min(.seconds(min(seconds, 86_400)), limit)
            }
        }
        return nil
    }
}
