#ifndef SYNC_COUNTER_H
#define SYNC_COUNTER_H

/// How often this process has synced a file whose path begins so. Linux only; elsewhere -1.
///
/// The test binary's own fsync and fdatasync stand before the C library's, so that what SQLite calls is counted and
/// then passed on to the kernel.
long sync_count(const char *path_prefix);

#endif
