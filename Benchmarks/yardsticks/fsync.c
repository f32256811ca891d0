// How long an fsync takes: appends 4 KiB to a file in a folder, again and again, and prints one line of JSON.
//   fsync FOLDER [COUNT]
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv) {
    int count = argc > 2 ? atoi(argv[2]) : 2000;
    char path[4096], page[4096];
    double *took = malloc(count * sizeof *took);
    snprintf(path, sizeof path, "%s/fsync.bin", argc > 1 ? argv[1] : ".");
    memset(page, 7, sizeof page);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || count < 100) return perror(path), 1;
    for (int i = 0; i < count; i++) {
        double start = microseconds();
        if (write(file, page, sizeof page) != sizeof page || fsync(file)) return perror("fsync"), 1;
        took[i] = microseconds() - start;
    }
    unlink(path);
    qsort(took, count, sizeof *took, ascending);
    printf("{\"p50\":%.1f,\"p99\":%.1f}\n", took[count / 2], took[count * 99 / 100]);
}
