/// The registry of settings: name in `millrace.yaml`, environment variable, meaning. The reference page is made from it.
public struct SettingDeclaration: Sendable {
    /// The key in `millrace.yaml`; `nil` for what only the environment says.
    public var key: String?
    public var variable: String?
    public var shape: String
    public var fallback: String
    public var meaning: String
}

public enum SettingsRegistry {
    public static let all: [SettingDeclaration] = [
        .init(key: "host", variable: "MILLRACE_HOST", shape: "address", fallback: "127.0.0.1", meaning: "where the server listens; a public address needs keys"),
        .init(key: "port", variable: "MILLRACE_PORT", shape: "0 ... 65535", fallback: "8080", meaning: "0 takes a free port"),
        .init(key: "data", variable: "MILLRACE_DATA", shape: "folder", fallback: ".millrace", meaning: "where jobs, blobs, keys and logs are kept"),
        .init(key: "auth", variable: "MILLRACE_AUTH", shape: "required, none", fallback: "required", meaning: "whether requests need an API key; none only on a loopback address"),
        .init(key: "tls.certificate", variable: "MILLRACE_TLS_CERTIFICATE", shape: "path", fallback: "none", meaning: "a PEM file with the server's certificate and those above it; with tls.key, the server speaks HTTPS alone. Read again when it changes"),
        .init(key: "tls.key", variable: "MILLRACE_TLS_KEY", shape: "path", fallback: "none", meaning: "a PEM file with the private key of the certificate"),
        .init(key: "logLevel", variable: "MILLRACE_LOG_LEVEL", shape: "trace ... critical", fallback: "info", meaning: "the least level that is logged"),
        .init(key: "lease", variable: "MILLRACE_LEASE", shape: "duration", fallback: "15s", meaning: "how long a worker may be silent before its jobs go back to the queue; 1s or more"),
        .init(key: "python", variable: "MILLRACE_PYTHON", shape: "path", fallback: ".venv/bin/python, else python3", meaning: "what {python} in a model's command stands for"),
        .init(key: "onnxruntime", variable: "MILLRACE_ONNXRUNTIME", shape: "path", fallback: "searched", meaning: "the ONNX Runtime library or a folder with it"),
        .init(key: "threads", variable: "MILLRACE_THREADS", shape: "0 ... 256", fallback: "0", meaning: "threads a model may use; 0: one for each core"),
        .init(key: "webhooks.secret", variable: "MILLRACE_WEBHOOK_SECRET", shape: "whsec_...", fallback: "made on the first start", meaning: "signs webhooks (Standard Webhooks)"),
        .init(key: "webhooks.allowedHosts", variable: "MILLRACE_WEBHOOK_ALLOWED_HOSTS", shape: "list", fallback: "none", meaning: "hosts to which webhooks may go although their address is private"),
        .init(key: "currency", variable: nil, shape: "three letters", fallback: "USD", meaning: "in which prices and budgets are told"),
        .init(key: "fleet.slots", variable: nil, shape: "0 ...", fallback: "no limit", meaning: "workers without a GPU of their own that this machine runs at once, of all endpoints"),
        .init(key: "fleet.workersPerGPU", variable: nil, shape: "1 ...", fallback: "no limit", meaning: "workers at once on each GPU, of all endpoints"),
        .init(key: "endpoints", variable: nil, shape: "mapping", fallback: "none", meaning: "the endpoints by name; see below"),
        .init(key: nil, variable: "MILLRACE_CONFIG", shape: "path", fallback: "millrace.yaml, if it is there", meaning: "the settings file"),
        .init(key: nil, variable: "MILLRACE_SERVER", shape: "URL", fallback: "http://127.0.0.1:8080", meaning: "the server that the command line talks to"),
        .init(key: nil, variable: "MILLRACE_API_KEY", shape: "key", fallback: "the data directory's api-key", meaning: "the key that the command line uses"),
        .init(key: nil, variable: "MILLRACE_WORKER_KEY", shape: "key", fallback: "none", meaning: "the worker key with which `millrace worker join` joins; --key-file wins"),
        .init(key: nil, variable: "MILLRACE_FASHION_MNIST", shape: "folder", fallback: "where Debian's package puts it", meaning: "the data set of the training demo; passed on to handlers"),
        .init(key: nil, variable: "MILLRACE_BIN", shape: "path", fallback: ".build/release/millrace", meaning: "the binary that `make demo` and the black-box tests run"),
    ]

    /// The keys of one endpoint.
    public static let endpoint: [SettingDeclaration] = [
        .init(key: "model", variable: nil, shape: "folder", fallback: "required", meaning: "a folder with model.yaml, relative to the settings file"),
        .init(key: "device", variable: nil, shape: "auto, cpu, gpu", fallback: "auto", meaning: "where the model computes; auto: on a GPU that can be used, else on the CPU; gpu: workers without one do not start"),
        .init(key: "fleet", variable: nil, shape: "any, local, joined", fallback: "any", meaning: "where workers run; any: on joined machines as long as they have room, else beside the server"),
        .init(key: "batching.itemsMax", variable: nil, shape: "1 ...", fallback: "the model's, else 16 (a handler process: 1)", meaning: "items in one call of the model"),
        .init(key: "batching.costMax", variable: nil, shape: "1 ...", fallback: "no limit", meaning: "what the items of one call may cost together, in pixels (image-classification, ocr), tokens (text-classification) or values (tensors); one item alone may always run"),
        .init(key: "batching.waitMax", variable: nil, shape: "duration", fallback: "20ms", meaning: "how long an item waits at most for others to fill its batch; only while others are expected"),
        .init(key: "retry.attemptsMax", variable: nil, shape: "1 ... 100", fallback: "4", meaning: "attempts before an error is final"),
        .init(key: "retry.crashesMax", variable: nil, shape: "1 ... 100", fallback: "3", meaning: "deaths of a worker before the job fails as worker_lost"),
        .init(key: "retry.backoffBase", variable: nil, shape: "duration", fallback: "1s", meaning: "the longest wait before the second attempt; doubles each time"),
        .init(key: "retry.backoffMax", variable: nil, shape: "duration", fallback: "5m", meaning: "the longest wait of all"),
        .init(key: "limits.bytesMax", variable: nil, shape: "size", fallback: "50MB", meaning: "bytes of one request"),
        .init(key: "limits.filesMax", variable: nil, shape: "1 ...", fallback: "64", meaning: "files of one job"),
        .init(key: "limits.pagesMax", variable: nil, shape: "1 ...", fallback: "200", meaning: "pages of one document"),
        .init(key: "limits.pixelsMax", variable: nil, shape: "1 ...", fallback: "100000000", meaning: "pixels of one image"),
        .init(key: "limits.rowsMax", variable: nil, shape: "1 ...", fallback: "1000000", meaning: "rows of one table"),
        .init(key: "scaling.min", variable: nil, shape: "0 ...", fallback: "0", meaning: "workers that always run"),
        .init(key: "scaling.max", variable: nil, shape: "0 ...", fallback: "1", meaning: "workers at most; 0: the server starts none, and workers are started by hand"),
        .init(key: "scaling.idle", variable: nil, shape: "duration", fallback: "the policy's", meaning: "how long a worker without work stays"),
        .init(key: "scaling.drain", variable: nil, shape: "duration", fallback: "60s", meaning: "how long a stopping worker may finish what it holds; at most 24h"),
        .init(key: "scaling.policy.targetWait", variable: nil, shape: "duration", fallback: "10s", meaning: "the default policy: workers so that a new job starts within this time"),
        .init(key: "scaling.policy.step", variable: nil, shape: "list of `{from, workers}`", fallback: "none", meaning: "in its place: so many workers from so many waiting jobs on"),
        .init(key: "scaling.policy.backlogPerWorker", variable: nil, shape: "0.000001 ... 1000000000", fallback: "none", meaning: "in its place: one worker for so many jobs that wait or run"),
        .init(key: "scaling.policy.always", variable: nil, shape: "0 ...", fallback: "none", meaning: "in its place: always so many workers"),
        .init(key: "scaling.up.stabilization", variable: nil, shape: "duration", fallback: "0s", meaning: "for so long the policy must want more before more are started"),
        .init(key: "scaling.up.workersMax", variable: nil, shape: "1 ...", fallback: "no limit", meaning: "workers started in one step"),
        .init(key: "scaling.down.stabilization", variable: nil, shape: "duration", fallback: "0s", meaning: "for so long the policy must want fewer before any drains"),
        .init(key: "scaling.down.workersMax", variable: nil, shape: "1 ...", fallback: "no limit", meaning: "workers drained in one step"),
        .init(key: "scaling.schedule", variable: nil, shape: "list of `{from, to, days, timeZone, min}`", fallback: "none", meaning: "a minimum by time of day, over any policy: `{from: \"08:00\", to: \"18:00\", days: [mon, tue], timeZone: Europe/Berlin, min: 2}`; days: every day, timeZone: UTC unless given"),
        .init(key: "scaling.budget.gpuHoursPerDayMax", variable: nil, shape: "0.000001 ... 1000000000", fallback: "none", meaning: "worker-hours in a day of UTC; at the cap nothing is started and the rest drains. A worker counts as one GPU"),
        .init(key: "scaling.budget.costPerHourMax", variable: nil, shape: "0.000001 ... 1000000000", fallback: "none", meaning: "what the workers of one time may cost in an hour; needs price"),
        .init(key: "scaling.budget.warnAt", variable: nil, shape: "0 ... 1", fallback: "0.8", meaning: "at this share of a cap a warning is recorded"),
        .init(key: "scaling.price", variable: nil, shape: "0.000001 ... 1000000000", fallback: "none", meaning: "of one worker for one hour, in `currency`"),
        .init(key: "callback", variable: nil, shape: "URL", fallback: "none", meaning: "where completions are posted when a job names no callback"),
        .init(key: "runLimit", variable: nil, shape: "duration", fallback: "1h", meaning: "how long one attempt may run"),
        .init(key: "checkpointInterval", variable: nil, shape: "duration", fallback: "5s", meaning: "how often a table or document keeps the rows or pages that are finished; a later attempt repeats at most so much"),
        .init(key: "timeToLive", variable: nil, shape: "duration", fallback: "none", meaning: "how long a job may wait before it expires"),
        .init(key: "deadline", variable: nil, shape: "duration", fallback: "none", meaning: "how long a job may take in all, from its acceptance to its end"),
        .init(key: "retention", variable: nil, shape: "duration", fallback: "7d", meaning: "how long finished jobs and their files are kept"),
        .init(key: "retentionMax", variable: nil, shape: "0 ...", fallback: "none", meaning: "how many finished jobs of all tenants are kept, dead letters among them; the oldest go first, within a minute"),
        .init(key: "quotas.endpoint.queuedMax", variable: nil, shape: "1 ...", fallback: "none", meaning: "jobs of all together that may wait at once; more are refused with 429"),
        .init(key: "quotas.endpoint.runningMax", variable: nil, shape: "1 ...", fallback: "none", meaning: "jobs of all together that may run at once; more wait"),
        .init(key: "quotas.endpoint.rate", variable: nil, shape: "100/s, 600/m, 5000/h", fallback: "none", meaning: "how fast jobs of all together may come; faster ones are refused with 429"),
        .init(key: "quotas.endpoint.burst", variable: nil, shape: "1 ...", fallback: "the number in rate", meaning: "jobs that may come at once after a quiet time"),
        .init(key: "quotas.tenant.queuedMax", variable: nil, shape: "1 ...", fallback: "none", meaning: "jobs of one tenant that may wait at once; more are refused with 429"),
        .init(key: "quotas.tenant.runningMax", variable: nil, shape: "1 ...", fallback: "none", meaning: "jobs of one tenant that may run at once; more wait"),
        .init(key: "quotas.tenant.rate", variable: nil, shape: "100/s, 600/m, 5000/h", fallback: "none", meaning: "how fast jobs of one tenant may come; faster ones are refused with 429"),
        .init(key: "quotas.tenant.burst", variable: nil, shape: "1 ...", fallback: "the number in rate", meaning: "jobs that may come at once after a quiet time"),
    ]

    static let variables = all.compactMap(\.variable)
}
