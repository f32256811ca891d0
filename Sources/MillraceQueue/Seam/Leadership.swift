import MillraceCore

/// Who does what only one may do: a leased row for each role, with an epoch that grows each time another takes it.
///
/// Every write of a role carries its ``Leadership``. One whose epoch has passed is refused with `leadership_lost`, so a leader
/// that stood still for too long changes nothing any more.
public protocol LeadershipStore: Sendable {
    /// Takes a role that is free or whose holder's time is over, or keeps it longer.
    /// - Returns: `nil` while somebody else holds it.
    func lead(_ role: LeadershipRole, as candidate: CandidateID, for duration: Duration) async throws -> Leadership?
    /// Gives a role back before its time is over.
    func resign(_ leadership: Leadership) async throws
}

public enum CandidateKind {}
public typealias CandidateID = Identifier<CandidateKind>

/// The frozen names of what only one may do.
public enum LeadershipRole: String, Sendable, Codable, CaseIterable {
    /// Takes jobs back from the dead.
    case rescue
    /// Removes finished jobs and unused blobs.
    case retention
    /// Starts and drains workers.
    case scaling
}

public struct Leadership: Sendable, Codable, Equatable {
    public var role: LeadershipRole
    public var candidate: CandidateID
    public var epoch: Int64
    public var until: Timestamp

    public init(role: LeadershipRole, candidate: CandidateID, epoch: Int64, until: Timestamp) {
        self.role = role
        self.candidate = candidate
        self.epoch = epoch
        self.until = until
    }

    /// What a store makes of a candidacy. `nil`: somebody else leads.
    public static func granted(
        _ role: LeadershipRole, to candidate: CandidateID, for duration: Duration, after held: Leadership?, at now: Timestamp
    ) -> Leadership? {
        guard let held else { return Leadership(role: role, candidate: candidate, epoch: 1, until: now + duration) }
        let isMine = held.candidate == candidate
        // A role that ends later than anybody could have asked for was taken before the clock was set back.
        guard isMine || held.until <= now || held.until.since(now) > duration else { return nil }
        return Leadership(role: role, candidate: candidate, epoch: isMine ? held.epoch : held.epoch + 1, until: now + duration)
    }

    /// Whether this is what the store has.
    public func isCurrent(in held: Leadership?) -> Bool { held?.epoch == epoch && held?.candidate == candidate }

    /// - Throws: `leadership_lost` unless this is what the store has, and its time is not over: who stood still for that long decided
    ///   by what was true before.
    public func check(against held: Leadership?, at now: Timestamp) throws {
        guard let held, isCurrent(in: held), held.until > now else {
            throw MillraceError(
                .leadershipLost, "epoch \(epoch) of \(role.rawValue) is over",
                hint: "another gateway does this now; this one tries again by itself")
        }
    }
}
