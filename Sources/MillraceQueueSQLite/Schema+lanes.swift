extension Schema {
    // A queue is a variant of an endpoint; a lane is one tenant's jobs of one priority in it. Jobs name them by small numbers, so
    // that the indexes stay small, and a lane counts its jobs by state, so that nobody needs to.
    //
    // Every index of `job` costs each change of state some microseconds of the only writer. There are six:
    // - `id` finds a job. `job_listed` lists by tenant, endpoint and state, by way of the lanes. Both end in the key, by which
    //   lists are ordered: jobs taken in later have larger ones.
    // - `job_ready`, `job_held`, `job_expiring` and `job_finished` are partial: queued, running, queued with an end, finished.
    //   (`state` is 0 in all of `job_ready`; in it, the index covers a count.)
    // `lane.readyAt` is never later than when the first queued job of the lane is due; it may be too early, and is mended by the
    // lease that looks in vain.
    //
    // What is large and rarely changes, the inline input, lies in `payload`: an update writes a whole row anew.
    // `worker.lastRequest` is the number of its last request for work that was given any.
    // Progress is the job's, its event is made from it. `event` is stored by job, so that a history lies in one place.
    //
    // The old tables keep the indexes by which they are read until they go.
    static let lanes = """
        DROP TRIGGER job_counted_in;
        DROP TRIGGER job_counted_on;
        DROP TRIGGER job_counted_out;
        DROP TABLE variant;
        DROP INDEX job_ready;
        DROP INDEX job_expiring;
        DROP INDEX job_running;
        DROP INDEX job_held;
        DROP INDEX job_finished;
        DROP INDEX job_idempotency;
        DROP INDEX job_by_tenant;
        DROP INDEX job_by_endpoint;
        DROP INDEX job_by_state;
        ALTER TABLE job RENAME TO oldJob;
        ALTER TABLE event RENAME TO oldEvent;

        CREATE TABLE queue (
            id INTEGER PRIMARY KEY,
            endpoint TEXT NOT NULL,
            variant TEXT NOT NULL,
            UNIQUE (endpoint, variant)
        );
        CREATE TABLE lane (
            id INTEGER PRIMARY KEY,
            queue INTEGER NOT NULL,
            priority INTEGER NOT NULL,
            tenant TEXT NOT NULL,
            queued INTEGER NOT NULL DEFAULT 0,
            running INTEGER NOT NULL DEFAULT 0,
            succeeded INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            cancelled INTEGER NOT NULL DEFAULT 0,
            expired INTEGER NOT NULL DEFAULT 0,
            readyAt INTEGER NOT NULL DEFAULT 0,
            turn INTEGER NOT NULL DEFAULT 0,
            UNIQUE (queue, priority, tenant)
        );
        CREATE INDEX lane_waiting ON lane (queue) WHERE queued > 0;
        CREATE INDEX lane_of_tenant ON lane (tenant);
        CREATE TABLE job (
            key INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            queue INTEGER NOT NULL,
            lane INTEGER NOT NULL,
            state INTEGER NOT NULL,
            runAt INTEGER NOT NULL,
            createdAt INTEGER NOT NULL,
            expiresAt INTEGER,
            deadline INTEGER,
            queuedUntil INTEGER,
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
            logs INTEGER NOT NULL,
            attemptsMax INTEGER NOT NULL,
            crashesMax INTEGER NOT NULL,
            backoffBase INTEGER NOT NULL,
            backoffMax INTEGER NOT NULL,
            runLimit INTEGER NOT NULL,
            callback TEXT,
            traceparent TEXT,
            parameters TEXT,
            files TEXT,
            progress TEXT,
            progressAt INTEGER,
            progressSequence INTEGER,
            checkpoint TEXT,
            outputs TEXT,
            inlineOutputs TEXT,
            failure TEXT
        );
        CREATE TABLE payload (
            job INTEGER PRIMARY KEY,
            input TEXT NOT NULL
        );
        CREATE TABLE idempotency (
            tenant TEXT NOT NULL,
            key TEXT NOT NULL,
            job INTEGER NOT NULL,
            fingerprint TEXT NOT NULL,
            PRIMARY KEY (tenant, key)
        ) WITHOUT ROWID;
        CREATE TABLE event (
            job INTEGER NOT NULL,
            sequence INTEGER NOT NULL,
            at INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            code INTEGER,
            attempt INTEGER,
            worker BLOB,
            runAt INTEGER,
            text TEXT NOT NULL,
            PRIMARY KEY (job, sequence)
        ) WITHOUT ROWID;
        CREATE TABLE counter (
            only INTEGER PRIMARY KEY CHECK (only = 0),
            sequence INTEGER NOT NULL,
            turn INTEGER NOT NULL
        );
        CREATE TABLE leader (
            role TEXT PRIMARY KEY,
            candidate BLOB NOT NULL,
            epoch INTEGER NOT NULL,
            until INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE endpointMode (
            endpoint TEXT PRIMARY KEY,
            mode INTEGER NOT NULL,
            since INTEGER NOT NULL,
            reason TEXT
        ) WITHOUT ROWID;
        CREATE TABLE arrival (
            endpoint TEXT NOT NULL,
            tenant TEXT NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (endpoint, tenant)
        ) WITHOUT ROWID;

        INSERT INTO queue (endpoint, variant) SELECT DISTINCT endpoint, variant FROM oldJob ORDER BY endpoint, variant;
        INSERT INTO lane (queue, priority, tenant, queued, running, succeeded, failed, cancelled, expired)
            SELECT queue.id, priority, tenant, sum(state = 0), sum(state = 1), sum(state = 2), sum(state = 3), sum(state = 4),
                sum(state = 5)
            FROM oldJob JOIN queue USING (endpoint, variant) GROUP BY queue.id, priority, tenant;
        INSERT INTO job
            SELECT oldJob.key, oldJob.id, queue.id, lane.id, state, runAt, createdAt, expiresAt, NULL,
                iif(leases = 0, expiresAt, NULL), startedAt, finishedAt, cancelRequestedAt, attempt, crashes, leases, token, worker,
                leaseUntil, coldStart, logs, attemptsMax, crashesMax, backoffBase, backoffMax, runLimit, callback, traceparent,
                parameters, files, progress,
                (SELECT at FROM oldEvent WHERE oldEvent.job = oldJob.key AND kind = 1),
                (SELECT sequence FROM oldEvent WHERE oldEvent.job = oldJob.key AND kind = 1),
                checkpoint, outputs, NULL, failure
            FROM oldJob JOIN queue USING (endpoint, variant)
                JOIN lane ON lane.queue = queue.id AND lane.priority = oldJob.priority AND lane.tenant = oldJob.tenant;
        INSERT INTO payload SELECT key, input FROM oldJob WHERE input IS NOT NULL;
        INSERT INTO idempotency SELECT tenant, idempotencyKey, key, fingerprint FROM oldJob WHERE idempotencyKey IS NOT NULL;
        INSERT INTO event SELECT job, sequence, at, kind, code, attempt, worker, runAt, text FROM oldEvent WHERE kind <> 1;
        INSERT INTO counter SELECT 0, coalesce(max(sequence), 0), 0 FROM oldEvent;
        UPDATE delivery SET snapshot = json_set(snapshot, '$.inlineOutputs', json('[]'));
        DROP TABLE oldJob;
        DROP TABLE oldEvent;
        CREATE INDEX job_ready ON job (lane, state, runAt) WHERE state = 0;
        CREATE INDEX job_expiring ON job (queuedUntil) WHERE state = 0 AND queuedUntil IS NOT NULL;
        CREATE INDEX job_held ON job (worker) WHERE state = 1;
        CREATE INDEX job_finished ON job (queue, finishedAt) WHERE state > 1;
        CREATE INDEX job_listed ON job (lane, state);
        CREATE INDEX idempotency_of_job ON idempotency (job);
        ALTER TABLE worker ADD COLUMN lastRequest INTEGER;
        DROP TABLE rescuer;
        CREATE TABLE rescuer (
            only INTEGER PRIMARY KEY CHECK (only = 0),
            at INTEGER NOT NULL
        );
        """
}
