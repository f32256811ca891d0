import MillraceCore

// What the agent of a joined machine and the gateway say to each other.

/// `POST /v1/worker/machine`: everything that runs on a machine and what it has to offer. Answered as soon as something else
/// ought to run there, at the latest after `waitSeconds`. A report says all each time, so one that got lost costs nothing.
public struct MachineReport: Sendable, Codable, Equatable {
    public struct Slots: Sendable, Codable, Equatable {
        /// How many workers without a GPU there may be.
        public var cpu: Int
        /// The GPUs, as `CUDA_VISIBLE_DEVICES` names them; one worker each.
        public var gpus: [String]

        public init(cpu: Int, gpus: [String]) {
            self.cpu = cpu
            self.gpus = gpus
        }
    }
    public struct RunningWorker: Sendable, Codable, Equatable {
        public var instance: String
        public var gpu: String?
        /// It was told to stop.
        public var isStopping: Bool

        public init(instance: String, gpu: String?, isStopping: Bool) {
            self.instance = instance
            self.gpu = gpu
            self.isStopping = isStopping
        }
    }
    public struct EndedWorker: Sendable, Codable, Equatable {
        public var instance: String
        /// `exit 1`, `signal 9`.
        public var status: String
        /// It was told to stop.
        public var wasStopping: Bool
        public var stderrTail: String
        /// The jobs that were in code that may crash when it ended; empty: it did not say.
        public var atRisk: [JobID]

        public init(instance: String, status: String, wasStopping: Bool, stderrTail: String, atRisk: [JobID]) {
            self.instance = instance
            self.status = status
            self.wasStopping = wasStopping
            self.stderrTail = stderrTail
            self.atRisk = atRisk
        }
    }

    /// The machine's name: `a-z`, `0-9` and `-`, at most 63. It stays the same when the agent or the machine starts again.
    public var machine: String
    /// Made anew with each start of the agent: two that call themselves the same are told apart by it, and so are the workers of an agent
    /// that is gone. At most 64 bytes.
    public var run: String
    public var slots: Slots
    /// The endpoints that it will serve; absent: all that its key may.
    public var endpoints: [String]?
    /// It is about to stop: nothing new is to be started, and what it has comes to its end.
    public var isDraining: Bool
    public var workers: [RunningWorker]
    /// Workers that ended since the last report that was answered.
    public var ended: [EndedWorker]
    public var waitSeconds: Double

    public init(
        machine: String, run: String, slots: Slots, endpoints: [String]?, isDraining: Bool, workers: [RunningWorker], ended: [EndedWorker], waitSeconds: Double
    ) {
        self.machine = machine
        self.run = run
        self.slots = slots
        self.endpoints = endpoints
        self.isDraining = isDraining
        self.workers = workers
        self.ended = ended
        self.waitSeconds = waitSeconds
    }

    /// Whether a machine may be called so.
    public static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
                default: false
                }
            }
    }
}

/// All workers that ought to run on a machine; what runs beside them is to be stopped.
public struct MachineOrders: Sendable, Codable, Equatable {
    public struct Worker: Sendable, Codable, Equatable {
        public var instance: String
        public var endpoint: String
        public var variant: String
        /// The one GPU that it is to see; absent: none.
        public var gpu: String?
        /// How long it may take to stop before it is killed.
        public var drainSeconds: Double

        public init(instance: String, endpoint: String, variant: String, gpu: String?, drainSeconds: Double) {
            self.instance = instance
            self.endpoint = endpoint
            self.variant = variant
            self.gpu = gpu
            self.drainSeconds = drainSeconds
        }
    }
    public var workers: [Worker]
    /// What the owner of the machine should know, such as an endpoint that does not exist; for its log.
    public var notes: [String]?

    public init(workers: [Worker], notes: [String]? = nil) {
        self.workers = workers
        self.notes = notes
    }
}

/// `GET /v1/worker/models/{version}`: the files of a model's folder. Their bytes are at `.../files/{sha256}`.
public struct ModelListing: Sendable, Codable, Equatable {
    public struct File: Sendable, Codable, Equatable {
        /// Relative to the model's folder, with `/` between its parts.
        public var path: String
        public var bytes: Int64
        /// Lower-case hexadecimal.
        public var sha256: String
        public var isExecutable: Bool

        public init(path: String, bytes: Int64, sha256: String, isExecutable: Bool) {
            self.path = path
            self.bytes = bytes
            self.sha256 = sha256
            self.isExecutable = isExecutable
        }
    }
    /// A folder with more is no model.
    public static let filesMax = 10_000

    public var files: [File]

    public init(files: [File]) {
        self.files = files
    }
}
