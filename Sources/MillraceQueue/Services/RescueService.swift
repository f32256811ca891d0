import Logging
import MillraceCore
import ServiceLifecycle

/// Takes jobs back from workers that died, ends queued jobs past their time to live, and forgets workers that went away
/// without a goodbye. Looks every third of a lease.
public struct RescueService: Service {
    private let store: any JobStore & WorkerRegistry & LeadershipStore & ClockKeeper
    private let leader: Leader
    private let lease: Duration
    private let surroundings: Surroundings
    private let logger: Logger

    /// Jobs in one call; as many calls follow as are needed.
    static let batchMax = 200
    /// A worker is forgotten when it was not seen for this many leases.
    static let leasesUntilForgotten = 4

    /// - Parameter lease: the duration of leases that workers ask for.
    public init(
        _ store: any JobStore & WorkerRegistry & LeadershipStore & ClockKeeper, lease: Duration = .seconds(15),
        surroundings: Surroundings = .system, logger: Logger = Logger(label: "millrace.rescue")
    ) {
        precondition(lease > .zero, "a lease must last")
        self.store = store
        self.lease = lease
        leader = Leader(store, role: .rescue, for: lease, surroundings: surroundings)
        self.surroundings = surroundings
        self.logger = logger
    }

    public func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { [self] in
                var machine = RescueStateMachine(lease: lease)
                while true {
                    await tick(&machine)
                    try await surroundings.sleep(lease / 3)
                }
            }
        } catch is CancellationError {
            await leader.resign()
        }
    }

    /// One look. Who leads takes back what may be taken back; the others only watch whether the store lives.
    package func tick(_ machine: inout RescueStateMachine) async {
        do {
            // Set back while no server ran: the store remembers a time that has not come yet.
            if machine.lastClock == nil { machine.begin(at: surroundings.now(), after: try await store.lastChangeAt()) }
            let leadership = try await leader.leadership()
            switch machine.tick(at: surroundings.now(), epoch: leadership?.epoch) {
            case .probe: _ = try await store.rescue(limit: 0, by: nil)
            case .rescue: if let leadership { try await rescue(by: leadership) }
            case .correct(let step):
                // Another that leads has seen the step itself, or took the role with it.
                if let leadership {
                    logger.warning("the clock was set back; what is due is corrected", metadata: ["clock.step": "\(step)"])
                    try await store.clockWasSetBack(by: step, as: leadership)
                }
                machine.corrected(at: surroundings.now())
            }
        } catch is CancellationError {
            return
        } catch let error as MillraceError where error.code == .leadershipLost {
            leader.forget()
        } catch {
            machine.failed(at: surroundings.now())
            logger.error("the job store failed; nothing is rescued for \(lease)", metadata: ["error": "\(error)"])
        }
    }

    private func rescue(by leader: Leadership) async throws {
        var rescued: [Job]
        repeat {
            rescued = try await store.rescue(limit: Self.batchMax, by: leader)
            for job in rescued {
                logger.warning(
                    "rescued a job",
                    metadata: [
                        "job.id": "\(job.id)", "job.endpoint": "\(job.endpoint)", "job.state": "\(job.state)",
                        "job.crashes": "\(job.crashes)",
                    ])
            }
        } while rescued.count == Self.batchMax && !Task.isCancelled
        for worker in try await store.removeWorkers(notSeenSince: surroundings.now() - lease * Self.leasesUntilForgotten, by: leader) {
            logger.warning(
                "forgot a worker that was not seen for long",
                metadata: ["worker.id": "\(worker.id)", "worker.instance": "\(worker.instance)", "worker.seen": "\(worker.seenAt)"])
        }
    }
}
