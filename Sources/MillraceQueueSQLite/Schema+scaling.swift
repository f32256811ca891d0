extension Schema {
    // What controllers of fleets keep. `status`, `inputs` and `marks` are JSON; `day` counts from 1970-01-01.
    // A lane counts what came and ended in it, ever: `runTime` is of the last attempts, in milliseconds.
    static let scaling = """
        ALTER TABLE lane ADD COLUMN admitted INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE lane ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE lane ADD COLUMN runTime INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE fleet (
            endpoint TEXT NOT NULL,
            variant TEXT NOT NULL,
            status TEXT NOT NULL,
            memory TEXT NOT NULL,
            PRIMARY KEY (endpoint, variant)
        ) WITHOUT ROWID;
        CREATE TABLE scalingDecision (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            endpoint TEXT NOT NULL,
            variant TEXT NOT NULL,
            kind TEXT NOT NULL,
            "from" INTEGER NOT NULL,
            "to" INTEGER NOT NULL,
            reason TEXT NOT NULL,
            inputs TEXT NOT NULL
        );
        CREATE INDEX scalingDecision_of_endpoint ON scalingDecision (endpoint, sequence);
        CREATE TABLE workerUsage (
            day INTEGER NOT NULL,
            endpoint TEXT NOT NULL,
            variant TEXT NOT NULL,
            usedSeconds REAL NOT NULL,
            busySeconds REAL NOT NULL,
            alwaysOnSeconds REAL NOT NULL,
            jobs INTEGER NOT NULL,
            runSeconds REAL NOT NULL,
            cost REAL NOT NULL,
            PRIMARY KEY (day, endpoint, variant)
        ) WITHOUT ROWID;
        CREATE TABLE coldStart (
            key INTEGER PRIMARY KEY,
            instance TEXT NOT NULL UNIQUE,
            endpoint TEXT NOT NULL,
            variant TEXT NOT NULL,
            worker BLOB,
            wantedAt INTEGER,
            marks TEXT
        );
        CREATE INDEX coldStart_of_endpoint ON coldStart (endpoint, key);
        CREATE INDEX coldStart_of_worker ON coldStart (worker) WHERE worker IS NOT NULL;
        """
}
