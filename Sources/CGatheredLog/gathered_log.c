#include "gathered_log.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

// A frame of the log: a header of 24 bytes, then a page. Bytes 4 to 7 of the header are zero but in a transaction's last frame.
// SQLite's own file takes less than 128 KiB at once.
enum { FRAME_HEADER = 24, PAGE_MIN = 512, PAGE_USUAL = 4096, HELD_MAX = 128 * 1024 - 1 };

typedef struct {
    sqlite3_file base;
    unsigned char *held;
    sqlite3_int64 start;
    int count;
    // The last bytes held are a header whose page has not come.
    int awaits_page;
    int is_last_frame;
    // SQLite's own file follows.
    sqlite3_file *real;
} log_file;

static sqlite3_vfs *real_vfs;
static sqlite3_vfs vfs;

static int flush(log_file *log) {
    if (log->count == 0) return SQLITE_OK;
    int count = log->count;
    log->count = 0;
    log->awaits_page = 0;
    return log->real->pMethods->xWrite(log->real, log->held, count, log->start);
}

static int is_last(const unsigned char *header) {
    return (header[4] | header[5] | header[6] | header[7]) != 0;
}

static int hold(log_file *log, const void *bytes, int count, sqlite3_int64 offset) {
    // Connections that only read never come here.
    if (!log->held) log->held = sqlite3_malloc(HELD_MAX);
    if (!log->held) return SQLITE_NOMEM;
    if (log->count == 0) log->start = offset;
    memcpy(log->held + log->count, bytes, count);
    log->count += count;
    return SQLITE_OK;
}

static int log_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    log_file *log = (log_file *)file;
    int follows = log->count > 0 && offset == log->start + log->count;
    if (log->awaits_page ? !follows || count < PAGE_MIN || log->count + count > HELD_MAX : count != FRAME_HEADER) {
        // The log's own header, or a page or a header that is written anew, or a page for which there is no room.
        int result = flush(log);
        return result == SQLITE_OK ? log->real->pMethods->xWrite(log->real, bytes, count, offset) : result;
    }
    int result = SQLITE_OK;
    if (!log->awaits_page && (!follows || log->count + FRAME_HEADER + PAGE_USUAL > HELD_MAX)) result = flush(log);
    if (result == SQLITE_OK) result = hold(log, bytes, count, offset);
    if (result != SQLITE_OK) return result;
    if (!log->awaits_page) {
        log->awaits_page = 1;
        log->is_last_frame = is_last(bytes);
        return SQLITE_OK;
    }
    log->awaits_page = 0;
    return log->is_last_frame ? flush(log) : SQLITE_OK;
}

// Everything else sees the log as if nothing were held.

#define FLUSHED(log) do { int result = flush(log); if (result != SQLITE_OK) return result; } while (0)

static int log_close(sqlite3_file *file) {
    log_file *log = (log_file *)file;
    int flushed = flush(log);
    int closed = log->real->pMethods->xClose(log->real);
    sqlite3_free(log->held);
    return flushed == SQLITE_OK ? closed : flushed;
}

static int log_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    log_file *log = (log_file *)file;
    FLUSHED(log);
    return log->real->pMethods->xRead(log->real, bytes, count, offset);
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size) {
    log_file *log = (log_file *)file;
    FLUSHED(log);
    return log->real->pMethods->xTruncate(log->real, size);
}

static int log_sync(sqlite3_file *file, int flags) {
    log_file *log = (log_file *)file;
    FLUSHED(log);
    return log->real->pMethods->xSync(log->real, flags);
}

static int log_size(sqlite3_file *file, sqlite3_int64 *size) {
    log_file *log = (log_file *)file;
    FLUSHED(log);
    return log->real->pMethods->xFileSize(log->real, size);
}

static int log_lock(sqlite3_file *file, int lock) {
    log_file *log = (log_file *)file;
    return log->real->pMethods->xLock(log->real, lock);
}

static int log_unlock(sqlite3_file *file, int lock) {
    log_file *log = (log_file *)file;
    FLUSHED(log);
    return log->real->pMethods->xUnlock(log->real, lock);
}

static int log_check_lock(sqlite3_file *file, int *is_reserved) {
    log_file *log = (log_file *)file;
    return log->real->pMethods->xCheckReservedLock(log->real, is_reserved);
}

static int log_control(sqlite3_file *file, int operation, void *argument) {
    log_file *log = (log_file *)file;
    FLUSHED(log);
    return log->real->pMethods->xFileControl(log->real, operation, argument);
}

static int log_sector(sqlite3_file *file) {
    log_file *log = (log_file *)file;
    return log->real->pMethods->xSectorSize(log->real);
}

static int log_characteristics(sqlite3_file *file) {
    log_file *log = (log_file *)file;
    return log->real->pMethods->xDeviceCharacteristics(log->real);
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_check_lock,
    .xFileControl = log_control,
    .xSectorSize = log_sector,
    .xDeviceCharacteristics = log_characteristics,
};

static int vfs_open(sqlite3_vfs *unused, const char *name, sqlite3_file *file, int flags, int *flags_out) {
    (void)unused;
    if (!(flags & SQLITE_OPEN_WAL)) return real_vfs->xOpen(real_vfs, name, file, flags, flags_out);
    log_file *log = (log_file *)file;
    memset(log, 0, sizeof *log);
    log->real = (sqlite3_file *)(log + 1);
    int result = real_vfs->xOpen(real_vfs, name, log->real, flags, flags_out);
    if (result == SQLITE_OK) log->base.pMethods = &log_methods;
    return result;
}

static int install_result;

static void install(void) {
    install_result = sqlite3_initialize();
    if (install_result != SQLITE_OK) return;
    real_vfs = sqlite3_vfs_find(NULL);
    install_result = SQLITE_ERROR;
    if (!real_vfs) return;
    vfs = *real_vfs;
    vfs.zName = "millrace-gathered-log";
    vfs.szOsFile = (int)sizeof(log_file) + real_vfs->szOsFile;
    vfs.xOpen = vfs_open;
    install_result = sqlite3_vfs_register(&vfs, 1);
}

int gathered_log_install(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    return install_result;
}
