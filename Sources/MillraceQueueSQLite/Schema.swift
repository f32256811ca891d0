import GRDB
import MillraceCore

/// The schema, as a list of migrations. Their ids are frozen: one that has been released is never renamed or changed.
enum Schema {
    static let migrations: [(id: String, sql: String)] = [
        ("001-jobs", jobs),
        ("002-events", events),
        ("003-blobs", blobs),
        ("004-workers-deliveries-keys", rest),
        ("005-lanes", lanes),
        ("006-worker-keys", workerKeys),
        ("007-scaling", scaling),
    ]

    /// Brings a file of any earlier version up to this one.
    /// - Throws: `unavailable` for a file of a later version: nothing of it is touched.
    static func migrate(_ pool: DatabasePool, path: String) throws {
        let migrator = migrator
        let known = Set(migrations.map(\.id))
        let unknown = try pool.read { db in
            try db.tableExists("grdb_migrations") ? migrator.appliedIdentifiers(db).subtracting(known) : []
        }
        guard unknown.isEmpty else {
            throw MillraceError(
                .unavailable, "\(path) was written by a newer version of Millrace (\(unknown.sorted().joined(separator: ", ")))",
                hint: "run that version, or start with another data directory; nothing was changed")
        }
        try migrator.migrate(pool)
    }

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for (id, sql) in migrations {
            migrator.registerMigration(id) { try $0.execute(sql: sql) }
        }
        return migrator
    }

    // Times and durations are milliseconds. `state`: 0 queued, 1 running, 2 succeeded, 3 failed, 4 cancelled, 5 expired.
    private static let jobs = """
        CREATE TABLE job (
            key INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            tenant TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            variant TEXT NOT NULL,
            state INTEGER NOT NULL,
            priority INTEGER NOT NULL,
            runAt INTEGER NOT NULL,
            createdAt INTEGER NOT NULL,
            expiresAt INTEGER,
            startedAt INTEGER,
            finishedAt INTEGER,
            cancelRequestedAt INTEGER,
            attempt INTEGER NOT NULL,
            crashes INTEGER NOT NULL,
            leases INTEGER NOT NULL,
            token BLOB,
            worker BLOB,
            leaseUntil INTEGER,
            coldStart INTEGER,
            attemptsMax INTEGER NOT NULL,
            crashesMax INTEGER NOT NULL,
            backoffBase INTEGER NOT NULL,
            backoffMax INTEGER NOT NULL,
            runLimit INTEGER NOT NULL,
            callback TEXT,
            traceparent TEXT,
            parameters TEXT,
            input TEXT,
            files TEXT,
            progress TEXT,
            checkpoint TEXT,
            outputs TEXT,
            failure TEXT,
            logs INTEGER NOT NULL DEFAULT 0,
            idempotencyKey TEXT,
            fingerprint TEXT
        );
        CREATE INDEX job_ready ON job (endpoint, variant, priority DESC, runAt, id, state) WHERE state = 0;
        CREATE INDEX job_expiring ON job (expiresAt, id) WHERE state = 0 AND leases = 0 AND expiresAt IS NOT NULL;
        CREATE INDEX job_running ON job (leaseUntil, id) WHERE state = 1;
        CREATE INDEX job_held ON job (worker) WHERE state = 1;
        CREATE INDEX job_finished ON job (endpoint, finishedAt, id) WHERE state > 1;
        CREATE UNIQUE INDEX job_idempotency ON job (tenant, idempotencyKey) WHERE idempotencyKey IS NOT NULL;
        CREATE INDEX job_by_tenant ON job (tenant, id);
        CREATE INDEX job_by_endpoint ON job (endpoint, id);
        CREATE INDEX job_by_state ON job (state, id);

        CREATE TABLE variant (
            endpoint TEXT NOT NULL,
            name TEXT NOT NULL,
            queued INTEGER NOT NULL,
            running INTEGER NOT NULL,
            PRIMARY KEY (endpoint, name)
        ) WITHOUT ROWID;
        CREATE TRIGGER job_counted_in AFTER INSERT ON job BEGIN
            INSERT INTO variant VALUES (NEW.endpoint, NEW.variant, NEW.state = 0, NEW.state = 1)
            ON CONFLICT DO UPDATE SET queued = queued + excluded.queued, running = running + excluded.running;
        END;
        CREATE TRIGGER job_counted_on AFTER UPDATE OF state ON job WHEN OLD.state <> NEW.state BEGIN
            UPDATE variant SET queued = queued + (NEW.state = 0) - (OLD.state = 0),
                running = running + (NEW.state = 1) - (OLD.state = 1)
            WHERE endpoint = NEW.endpoint AND name = NEW.variant;
        END;
        CREATE TRIGGER job_counted_out AFTER DELETE ON job WHEN OLD.state < 2 BEGIN
            UPDATE variant SET queued = queued - (OLD.state = 0), running = running - (OLD.state = 1)
            WHERE endpoint = OLD.endpoint AND name = OLD.variant;
        END;
        """

    // `kind`: 0 state, 1 progress, 2 log. `code` is the state or the log level; `text` the reason, the message, or the
    // progress as JSON.
    private static let events = """
        CREATE TABLE event (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            job INTEGER NOT NULL,
            at INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            code INTEGER,
            attempt INTEGER,
            worker BLOB,
            runAt INTEGER,
            text TEXT NOT NULL
        );
        CREATE INDEX event_of_job ON event (job);
        CREATE INDEX event_progress ON event (job) WHERE kind = 1;
        """

    // `state`: 0 pending, 1 stored, 2 deleting. `uses` counts the jobs whose files, outputs or checkpoint it is; it changes
    // in the transaction that changes those.
    private static let blobs = """
        CREATE TABLE blob (
            id BLOB PRIMARY KEY,
            tenant TEXT NOT NULL,
            state INTEGER NOT NULL,
            createdAt INTEGER NOT NULL,
            writer BLOB,
            filename TEXT,
            mediaType TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            uses INTEGER NOT NULL DEFAULT 0
        ) WITHOUT ROWID;
        CREATE INDEX blob_unused ON blob (createdAt, id) WHERE uses = 0 AND state < 2;
        CREATE INDEX blob_deleting ON blob (id) WHERE state = 2;
        """

    // A delivery is free to be taken from `availableAt` on: it is due and nobody's claim lasts. `state`: 0 pending,
    // 1 delivered, 2 failed.
    private static let rest = """
        CREATE TABLE worker (
            id BLOB PRIMARY KEY,
            endpoint TEXT NOT NULL,
            variant TEXT NOT NULL,
            instance TEXT NOT NULL,
            host TEXT NOT NULL,
            processID INTEGER NOT NULL,
            startedAt INTEGER NOT NULL,
            readyAt INTEGER,
            seenAt INTEGER NOT NULL,
            draining INTEGER NOT NULL,
            idleSince INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE delivery (
            id BLOB NOT NULL UNIQUE,
            job INTEGER NOT NULL,
            url TEXT NOT NULL,
            state INTEGER NOT NULL,
            event TEXT NOT NULL,
            snapshot TEXT NOT NULL,
            createdAt INTEGER NOT NULL,
            dueAt INTEGER NOT NULL,
            availableAt INTEGER NOT NULL,
            claim BLOB,
            attempts TEXT
        );
        CREATE INDEX delivery_pending ON delivery (availableAt, id) WHERE state = 0;
        CREATE INDEX delivery_of_job ON delivery (job);
        CREATE TABLE apiKey (
            id BLOB PRIMARY KEY,
            name TEXT NOT NULL,
            tenant TEXT NOT NULL,
            secretHash TEXT NOT NULL,
            createdAt INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE rescuer (
            only INTEGER PRIMARY KEY CHECK (only = 0),
            at INTEGER NOT NULL
        );
        """
}
