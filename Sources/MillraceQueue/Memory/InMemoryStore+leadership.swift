import MillraceCore

extension InMemoryStore: LeadershipStore {
    public func lead(_ role: LeadershipRole, as candidate: CandidateID, for duration: Duration) async throws -> Leadership? {
        write { state in
            guard
                let granted = Leadership.granted(
                    role, to: candidate, for: duration, after: state.leaders[role], at: surroundings.now())
            else { return nil }
            state.leaders[role] = granted
            return granted
        }
    }

    public func resign(_ leadership: Leadership) async throws {
        write { state in
            guard let held = state.leaders[leadership.role], leadership.isCurrent(in: held) else { return }
            // The row stays, so that the next epoch is a new one.
            state.leaders[leadership.role]?.until = min(held.until, surroundings.now())
        }
    }
}

extension InMemoryState {
    func check(_ leader: Leadership?, at now: Timestamp) throws {
        guard let leader else { return }
        try leader.check(against: leaders[leader.role], at: now)
    }
}

extension InMemoryStore: EndpointControl {
    public func setMode(_ mode: EndpointMode, of endpoint: String, reason: String?) async throws {
        write { state in
            let now = surroundings.now()
            state.modes[endpoint] = mode == .open ? nil : EndpointModeRecord(endpoint: endpoint, mode: mode, since: now, reason: reason)
            state.topics.insert(.backlog)
            for lane in state.queued.keys where lane.endpoint == endpoint {
                state.topics.insert(.work(endpoint: endpoint, variant: lane.variant))
            }
        }
    }

    public func modes() async throws -> [EndpointModeRecord] {
        read { $0.modes.values.sorted { $0.endpoint < $1.endpoint } }
    }
}
