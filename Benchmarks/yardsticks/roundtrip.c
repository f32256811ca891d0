// How long an empty round trip takes: one byte there and back between two processes, over TCP on the loopback and over a
// Unix socket. Prints one line of JSON, in microseconds.
//   roundtrip [COUNT]
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

static void die(const char *what) {
    perror(what);
    exit(1);
}

// Both ends of a TCP connection on the loopback.
static void tcp_pair(int ends[2]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (bind(listener, (struct sockaddr *)&at, length) || listen(listener, 1)) die("listen");
    getsockname(listener, (struct sockaddr *)&at, &length);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ends[0], (struct sockaddr *)&at, length)) die("connect");
    ends[1] = accept(listener, NULL, NULL);
    for (int i = 0; i < 2; i++) setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(listener);
}

static void measure(const char *name, int ends[2], int count, const char *after) {
    double *took = malloc(count * sizeof *took);
    char byte = 1;
    pid_t echo = fork();
    if (echo < 0) die("fork");
    if (echo == 0) {
        close(ends[0]);
        while (read(ends[1], &byte, 1) == 1)
            if (write(ends[1], &byte, 1) != 1) break;
        _exit(0);
    }
    close(ends[1]);
    for (int i = 0; i < count; i++) {
        double start = microseconds();
        if (write(ends[0], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) die(name);
        took[i] = microseconds() - start;
    }
    close(ends[0]);
    waitpid(echo, NULL, 0);
    qsort(took, count, sizeof *took, ascending);
    printf("\"%s\":{\"p50\":%.1f,\"p99\":%.1f}%s", name, took[count / 2], took[count * 99 / 100], after);
    fflush(stdout);
    free(took);
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 20000, tcp[2], local[2];
    if (count < 100) return fprintf(stderr, "at least 100 round trips\n"), 1;
    tcp_pair(tcp);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, local)) die("socketpair");
    printf("{");
    fflush(stdout);
    measure("tcp", tcp, count, ",");
    measure("unix", local, count, "}\n");
}
