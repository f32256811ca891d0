/// The environment that workers get: the server's own, without what only the server and its operator may know.
///
/// Workers run models, which are other people's code, so a secret that they have no use for stays out of their reach.
enum WorkerEnvironment {
    static let secrets: Set = ["MILLRACE_WEBHOOK_SECRET", "MILLRACE_API_KEY", "MILLRACE_WORKER_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]

    static func make(from environment: [String: String]) -> [String: String] {
        environment.filter { !secrets.contains($0.key) }
    }
}
