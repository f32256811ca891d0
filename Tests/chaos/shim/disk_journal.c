// Writes down what a process and its children do to the files of one folder, so that the state of a disk after a power
// cut can be made up from it: every write, every change of a name, and every sync that succeeded.
//
//   CHAOS_JOURNAL      the journal, outside of that folder
//   CHAOS_FOLDER       the folder, an absolute path without a symbolic link in it
//   CHAOS_DROP_SYNCS   when set, syncs neither happen nor are written down: the canary that the checker must find
//
// A change is written down before it is made, under a lock that all processes share, so the journal is in the true order.
// A sync is written down after it has returned, with the position of the journal at which it began: it covers what
// stands before that. Memory maps are not seen; SQLite makes only its -shm file that way, which is built anew.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum kind { kind_create = 1, kind_write, kind_truncate, kind_sync, kind_rename, kind_link, kind_unlink, kind_folder };

// 56 bytes, little-endian, as Tests/chaos/journal.py reads it.
struct header {
    uint64_t magic;
    uint32_t kind, bytes;
    uint64_t nanoseconds;
    uint64_t node;
    // Writes: the offset. Truncation: the length. Sync: where in the journal it began.
    uint64_t position;
    uint32_t process;
    // How many bytes of the payload are the first and the second path; the rest is data.
    uint16_t path_bytes, other_bytes;
    uint64_t check;
};

static const uint64_t magic = 0x314c4e524a53484dull;
static int journal = -1;
static int drops_syncs;
static char folder[PATH_MAX];
static size_t folder_length;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_JOURNAL"), *root = getenv("CHAOS_FOLDER");
    if (!path || !root || strlen(root) >= sizeof folder) return;
    strcpy(folder, root);
    folder_length = strlen(folder);
    drops_syncs = getenv("CHAOS_DROP_SYNCS") != NULL;
    int opened = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (opened < 0) return;
    // Out of the way of programs that close or expect the low numbers.
    journal = fcntl(opened, F_DUPFD_CLOEXEC, 900);
    if (journal < 0) { journal = opened; return; }
    close(opened);
}

// Errors of the calls in here must not be taken for those of the call that is watched.
static void take(void) { int kept = errno; pthread_mutex_lock(&lock); while (flock(journal, LOCK_EX) != 0 && errno == EINTR) {} errno = kept; }
static void release(void) { int kept = errno; flock(journal, LOCK_UN); pthread_mutex_unlock(&lock); errno = kept; }

static uint64_t journal_length(void) {
    struct stat status;
    return fstat(journal, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static void append(enum kind kind, uint64_t node, uint64_t position, const char *path, const char *other, const struct iovec *data, int count) {
    int kept = errno;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct header header = {.magic = magic, .kind = kind, .node = node, .position = position, .process = (uint32_t)getpid()};
    header.nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    header.path_bytes = (uint16_t)(path ? strlen(path) : 0);
    header.other_bytes = (uint16_t)(other ? strlen(other) : 0);
    header.bytes = (uint32_t)header.path_bytes + header.other_bytes;
    struct iovec parts[16] = {{&header, sizeof header}, {(void *)path, header.path_bytes}, {(void *)other, header.other_bytes}};
    for (int index = 0; index < count; index++) {
        header.bytes += (uint32_t)data[index].iov_len;
        parts[index + 3] = data[index];
    }
    header.check = header.magic ^ header.nanoseconds ^ header.node ^ header.position ^ ((uint64_t)header.bytes << 32 | header.kind);
    // A journal with a gap would prove nothing: end the process, loudly.
    ssize_t written = syscall(SYS_writev, journal, parts, count + 3);
    if (written != (ssize_t)(sizeof header + header.bytes)) {
        dprintf(2, "disk_journal: the journal cannot be written\n");
        abort();
    }
    errno = kept;
}

static int is_inside(const char *path) {
    return strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || path[folder_length] == 0);
}

// The absolute path that a call with a folder and a path means; NULL when it is not inside.
static const char *resolve(int at, const char *path, char *buffer) {
    int kept = errno;
    const char *found = NULL;
    if (journal < 0 || !path) return NULL;
    if (path[0] == '/') {
        if (is_inside(path) && strlen(path) < PATH_MAX) found = strcpy(buffer, path);
    } else {
        char link[64];
        if (at == AT_FDCWD) strcpy(link, "/proc/self/cwd"); else snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, buffer, PATH_MAX - 1);
        if (length > 0 && length + strlen(path) + 2 < PATH_MAX) {
            buffer[length] = '/';
            strcpy(buffer + length + 1, path);
            if (is_inside(buffer)) found = buffer;
        }
    }
    errno = kept;
    return found;
}

// Whether a descriptor is a file or folder inside; a removed file counts, for it may have another name.
static int is_watched(int descriptor, struct stat *status) {
    if (journal < 0 || descriptor == journal) return 0;
    int kept = errno, watched = 0;
    if (fstat(descriptor, status) == 0 && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode))) {
        char link[64], path[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length > 0) {
            path[length] = 0;
            watched = is_inside(path);
        }
    }
    errno = kept;
    return watched;
}

static int opened_file(int at, const char *path, int flags, mode_t mode) {
    char buffer[PATH_MAX];
    const char *inside = (flags & (O_CREAT | O_TRUNC)) ? resolve(at, path, buffer) : NULL;
    if (!inside) return (int)syscall(SYS_openat, at, path, flags, mode);
    take();
    struct stat before, after;
    int kept = errno;
    int was_there = lstat(inside, &before) == 0;
    errno = kept;
    int descriptor = (int)syscall(SYS_openat, at, path, flags, mode);
    if (descriptor >= 0 && fstat(descriptor, &after) == 0) {
        if (!was_there) append(kind_create, after.st_ino, 0, inside, NULL, NULL, 0);
        else if ((flags & O_TRUNC) && S_ISREG(after.st_mode)) append(kind_truncate, after.st_ino, 0, NULL, NULL, NULL, 0);
    }
    release();
    return descriptor;
}

#define OPENS(name, before, at, path)                                            \
    EXPORT int name(before const char *path, int flags, ...) {                   \
        mode_t mode = 0;                                                         \
        if (flags & (O_CREAT | O_TMPFILE)) {                                     \
            va_list rest;                                                        \
            va_start(rest, flags);                                               \
            mode = va_arg(rest, mode_t);                                         \
            va_end(rest);                                                        \
        }                                                                        \
        return opened_file(at, path, flags, mode);                               \
    }
#define FOLDER_ARGUMENT int at,
#define NOTHING
OPENS(open, NOTHING, AT_FDCWD, path)
OPENS(open64, NOTHING, AT_FDCWD, path)
OPENS(openat, FOLDER_ARGUMENT, at, path)
OPENS(openat64, FOLDER_ARGUMENT, at, path)
EXPORT int creat(const char *path, mode_t mode) { return opened_file(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static ssize_t written(int descriptor, const struct iovec *parts, int count, off_t offset) {
    struct stat status;
    long result;
    if (!is_watched(descriptor, &status) || !S_ISREG(status.st_mode)) {
        return offset < 0 ? syscall(SYS_writev, descriptor, parts, count) : syscall(SYS_pwritev, descriptor, parts, count, offset, 0);
    }
    take();
    off_t begins = offset;
    if (offset < 0) {
        int flags = fcntl(descriptor, F_GETFL);
        begins = flags >= 0 && (flags & O_APPEND) ? (fstat(descriptor, &status), status.st_size) : lseek(descriptor, 0, SEEK_CUR);
    }
    // In pieces, if it has more parts than a record takes.
    off_t place = begins;
    for (int index = 0; index < count; index += 12) {
        int some = count - index < 12 ? count - index : 12;
        append(kind_write, status.st_ino, (uint64_t)place, NULL, NULL, parts + index, some);
        for (int part = index; part < index + some; part++) place += (off_t)parts[part].iov_len;
    }
    result = offset < 0 ? syscall(SYS_writev, descriptor, parts, count) : syscall(SYS_pwritev, descriptor, parts, count, offset, 0);
    // What did not fit is no part of the file: cut the record's effect back.
    if (result < place - begins) {
        int kept = errno;
        if (fstat(descriptor, &status) == 0) append(kind_truncate, status.st_ino, (uint64_t)status.st_size, NULL, NULL, NULL, 0);
        errno = kept;
    }
    release();
    return result;
}

static ssize_t written_plain(int descriptor, const void *data, size_t bytes, off_t offset) {
    struct stat status;
    if (!is_watched(descriptor, &status))
        return offset < 0 ? syscall(SYS_write, descriptor, data, bytes) : syscall(SYS_pwrite64, descriptor, data, bytes, offset);
    struct iovec part = {(void *)data, bytes};
    return written(descriptor, &part, 1, offset);
}

EXPORT ssize_t write(int descriptor, const void *data, size_t bytes) { return written_plain(descriptor, data, bytes, -1); }
EXPORT ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t offset) { return written_plain(descriptor, data, bytes, offset); }
EXPORT ssize_t pwrite64(int descriptor, const void *data, size_t bytes, off_t offset) { return written_plain(descriptor, data, bytes, offset); }
EXPORT ssize_t writev(int descriptor, const struct iovec *parts, int count) { return written(descriptor, parts, count, -1); }
EXPORT ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) { return written(descriptor, parts, count, offset); }

static int truncated(int descriptor, off_t length) {
    struct stat status;
    if (!is_watched(descriptor, &status)) return (int)syscall(SYS_ftruncate, descriptor, length);
    take();
    int result = (int)syscall(SYS_ftruncate, descriptor, length);
    if (result == 0) append(kind_truncate, status.st_ino, (uint64_t)length, NULL, NULL, NULL, 0);
    release();
    return result;
}
EXPORT int ftruncate(int descriptor, off_t length) { return truncated(descriptor, length); }
EXPORT int ftruncate64(int descriptor, off_t length) { return truncated(descriptor, length); }

static int allocated(int descriptor, int mode, off_t offset, off_t length) {
    struct stat status;
    int result = (int)syscall(SYS_fallocate, descriptor, mode, offset, length);
    if (result == 0 && mode == 0 && is_watched(descriptor, &status)) {
        take();
        if (fstat(descriptor, &status) == 0) append(kind_truncate, status.st_ino, (uint64_t)status.st_size, NULL, NULL, NULL, 0);
        release();
    }
    return result;
}
EXPORT int fallocate(int descriptor, int mode, off_t offset, off_t length) { return allocated(descriptor, mode, offset, length); }
EXPORT int fallocate64(int descriptor, int mode, off_t offset, off_t length) { return allocated(descriptor, mode, offset, length); }
EXPORT int posix_fallocate(int descriptor, off_t offset, off_t length) { return allocated(descriptor, 0, offset, length) == 0 ? 0 : errno; }
EXPORT int posix_fallocate64(int descriptor, off_t offset, off_t length) { return allocated(descriptor, 0, offset, length) == 0 ? 0 : errno; }

static int synced(int descriptor, long number) {
    struct stat status;
    if (!is_watched(descriptor, &status)) return (int)syscall(number, descriptor);
    if (drops_syncs) return 0;
    take();
    uint64_t begun = journal_length();
    release();
    int result = (int)syscall(number, descriptor);
    if (result == 0) {
        take();
        append(kind_sync, status.st_ino, begun, NULL, NULL, NULL, 0);
        release();
    }
    return result;
}
EXPORT int fsync(int descriptor) { return synced(descriptor, SYS_fsync); }
EXPORT int fdatasync(int descriptor) { return synced(descriptor, SYS_fdatasync); }

// A change of names: `change` is made under the lock and written down when it succeeded.
#define NAMED(kind, first, second, change)                                       \
    do {                                                                         \
        char one[PATH_MAX], two[PATH_MAX];                                       \
        const char *from = first, *to = second;                                  \
        if (!from && !to) return (int)(change);                                  \
        struct stat status = {0};                                                \
        take();                                                                  \
        int kept = errno;                                                        \
        if (from) lstat(from, &status);                                          \
        errno = kept;                                                            \
        int result = (int)(change);                                              \
        if (result == 0) {                                                       \
            if (from && kind == kind_folder) lstat(from, &status);               \
            append(kind, status.st_ino, 0, from, to, NULL, 0);                   \
        }                                                                        \
        release();                                                               \
        (void)one, (void)two;                                                    \
        return result;                                                           \
    } while (0)

EXPORT int rename(const char *old, const char *new) {
    NAMED(kind_rename, resolve(AT_FDCWD, old, one), resolve(AT_FDCWD, new, two), syscall(SYS_rename, old, new));
}
EXPORT int renameat(int at, const char *old, int there, const char *new) {
    NAMED(kind_rename, resolve(at, old, one), resolve(there, new, two), syscall(SYS_renameat, at, old, there, new));
}
EXPORT int renameat2(int at, const char *old, int there, const char *new, unsigned flags) {
    NAMED(kind_rename, resolve(at, old, one), resolve(there, new, two), syscall(SYS_renameat2, at, old, there, new, flags));
}
EXPORT int link(const char *old, const char *new) {
    NAMED(kind_link, resolve(AT_FDCWD, old, one), resolve(AT_FDCWD, new, two), syscall(SYS_link, old, new));
}
EXPORT int unlink(const char *path) { NAMED(kind_unlink, resolve(AT_FDCWD, path, one), NULL, syscall(SYS_unlink, path)); }
EXPORT int unlinkat(int at, const char *path, int flags) {
    NAMED(kind_unlink, resolve(at, path, one), NULL, syscall(SYS_unlinkat, at, path, flags));
}
EXPORT int rmdir(const char *path) { NAMED(kind_unlink, resolve(AT_FDCWD, path, one), NULL, syscall(SYS_rmdir, path)); }
EXPORT int mkdir(const char *path, mode_t mode) { NAMED(kind_folder, resolve(AT_FDCWD, path, one), NULL, syscall(SYS_mkdir, path, mode)); }
EXPORT int mkdirat(int at, const char *path, mode_t mode) {
    NAMED(kind_folder, resolve(at, path, one), NULL, syscall(SYS_mkdirat, at, path, mode));
}
