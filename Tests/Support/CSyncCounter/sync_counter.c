#define _GNU_SOURCE
#include "sync_counter.h"

#ifdef __linux__
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// One entry for each path that was ever synced. A test process syncs a few hundred files; past the limit nothing is counted.
enum { paths_max = 4096, path_bytes_max = 512 };
static struct { char path[path_bytes_max]; long count; } entries[paths_max];
static int entry_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void count_sync(int descriptor) {
    char link[64], path[path_bytes_max];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    pthread_mutex_lock(&lock);
    int index = 0;
    while (index < entry_count && strcmp(entries[index].path, path) != 0) index++;
    if (index == entry_count && entry_count < paths_max) strcpy(entries[entry_count++].path, path);
    if (index < entry_count) entries[index].count++;
    pthread_mutex_unlock(&lock);
}

int fsync(int descriptor) {
    count_sync(descriptor);
    return (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor) {
    count_sync(descriptor);
    return (int)syscall(SYS_fdatasync, descriptor);
}

long sync_count(const char *path_prefix) {
    long total = 0;
    size_t length = strlen(path_prefix);
    pthread_mutex_lock(&lock);
    for (int index = 0; index < entry_count; index++)
        if (strncmp(entries[index].path, path_prefix, length) == 0) total += entries[index].count;
    pthread_mutex_unlock(&lock);
    return total;
}
#else
long sync_count(const char *path_prefix) { return -1; }
#endif
