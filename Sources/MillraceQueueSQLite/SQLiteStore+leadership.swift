import Foundation
import GRDB
import MillraceCore
import MillraceQueue

extension SQLiteStore: LeadershipStore {
    public func lead(_ role: LeadershipRole, as candidate: CandidateID, for duration: Duration) async throws -> Leadership? {
        try await write { step in
            let held = try step.leadership(role)
            guard let granted = Leadership.granted(role, to: candidate, for: duration, after: held, at: step.now) else { return nil }
            try step.keep(granted)
            return granted
        }
    }

    public func resign(_ leadership: Leadership) async throws {
        try await write { step in
            guard var held = try step.leadership(leadership.role), leadership.isCurrent(in: held) else { return }
            // The row stays, so that the next epoch is a new one.
            held.until = min(held.until, step.now)
            try step.keep(held)
        }
    }
}

extension WriteStep {
    /// - Throws: `leadership_lost` when the write's epoch is over.
    func check(_ leader: Leadership?) throws {
        guard let leader else { return }
        try leader.check(against: try leadership(leader.role), at: now)
    }

    fileprivate func leadership(_ role: LeadershipRole) throws -> Leadership? {
        let statement = try db.cachedStatement(sql: "SELECT candidate, epoch, until FROM leader WHERE role = ?")
        return try Row.fetchOne(statement, arguments: [role.rawValue]).map { row in
            Leadership(
                role: role, candidate: CandidateID(column: row[0]), epoch: row[1], until: Timestamp(milliseconds: row[2]))
        }
    }

    fileprivate func keep(_ leadership: Leadership) throws {
        try execute(
            """
            INSERT INTO leader (role, candidate, epoch, until) VALUES (?,?,?,?) \
            ON CONFLICT DO UPDATE SET candidate = excluded.candidate, epoch = excluded.epoch, until = excluded.until
            """,
            [leadership.role.rawValue, leadership.candidate.data, leadership.epoch, leadership.until.milliseconds])
    }

    private static let modeOfEndpoint = HotSQL("SELECT mode FROM endpointMode WHERE endpoint = ?")

    func mode(of endpoint: String) throws -> EndpointMode {
        var statement = try statement(Self.modeOfEndpoint)
        statement.bind(endpoint)
        guard try statement.step() else { return .open }
        defer { statement.reset() }
        return EndpointMode(column: statement.int(0))
    }
}

extension SQLiteStore: EndpointControl {
    public func setMode(_ mode: EndpointMode, of endpoint: String, reason: String?) async throws {
        try await write { step in
            if mode == .open {
                try step.execute("DELETE FROM endpointMode WHERE endpoint = ?", [endpoint])
            } else {
                try step.execute(
                    """
                    INSERT INTO endpointMode (endpoint, mode, since, reason) VALUES (?,?,?,?) \
                    ON CONFLICT DO UPDATE SET mode = excluded.mode, since = excluded.since, reason = excluded.reason
                    """, [endpoint, mode.number, step.now.milliseconds, reason])
            }
            step.ledger.publish(.backlog)
            let variants = try String.fetchAll(step.db, sql: "SELECT variant FROM queue WHERE endpoint = ?", arguments: [endpoint])
            for variant in variants { step.ledger.publish(.work(endpoint: endpoint, variant: variant)) }
        }
    }

    public func modes() async throws -> [EndpointModeRecord] {
        try await read { db in
            try Row.fetchAll(db, sql: "SELECT endpoint, mode, since, reason FROM endpointMode ORDER BY endpoint").map { row in
                EndpointModeRecord(
                    endpoint: row[0], mode: EndpointMode(column: row[1]), since: Timestamp(milliseconds: row[2]), reason: row[3])
            }
        }
    }
}
