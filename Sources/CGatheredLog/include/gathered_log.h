#ifndef MILLRACE_GATHERED_LOG_H
#define MILLRACE_GATHERED_LOG_H

/// Makes SQLite write its write-ahead log in few large pieces, in the whole process and for every file opened from now on.
///
/// SQLite hands a log two small writes for each page. They are held here until the transaction's last page, a sync, or any other
/// call on the log, and go on as one. What is on the disk after a sync is the same, byte for byte. Connections must run with
/// `synchronous=FULL`, so that a sync comes before other connections may see a commit, and with `cache_spill=OFF` where other
/// processes write to the same file: else what a transaction that was undone had spilled may be held after its lock has gone.
///
/// Returns an SQLite result code. To call it again changes nothing.
int gathered_log_install(void);

#endif
