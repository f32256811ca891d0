// Submits no-op jobs over HTTP/1.1 keep-alive connections, from one thread with epoll, and prints one line of JSON.
//
//   loadgen bulk   --port P --jobs N --connections C --batch B    B jobs in each request, as NDJSON
//   loadgen single --port P --jobs N --connections C              one request a job
//   loadgen paced  --port P --jobs N --connections C --rate R     open loop: Poisson arrivals, R a second; each job's input
//                                                                 carries the time at which it was sent
// --path PATH: where to submit. --even: paced at even intervals. --ids FILE: writes the id of each job.
// Ends with 1 when a job was refused, with 2 when the server does not answer as it should.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum mode { BULK, SINGLE, PACED };

struct connection {
    int socket;
    int jobs;  // in the request under way; 0: idle
    char *out, *in;
    size_t out_length, sent, in_length, in_size;
};

static struct {
    enum mode mode;
    int port, connections, batch, even;
    long jobs;
    double rate;
    const char *path, *ids;
} options = {.connections = 4, .batch = 1000, .rate = 500};

static struct {
    long begun, accepted, refused, requests, late;
} count;

static int events, timer = -1;
static struct connection *all;
static FILE *ids;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static int64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// Requests

static void watch(struct connection *c, int operation, uint32_t what) {
    struct epoll_event event = {.events = what, .data.ptr = c};
    if (epoll_ctl(events, operation, c->socket, &event)) fail("epoll_ctl: %s", strerror(errno));
}

static void flush_out(struct connection *c) {
    while (c->sent < c->out_length) {
        ssize_t written = write(c->socket, c->out + c->sent, c->out_length - c->sent);
        if (written < 0 && errno == EAGAIN) return watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        if (written < 0) fail("the server closed a connection: %s", strerror(errno));
        c->sent += written;
    }
}

static int body_of(char *to, int jobs) {
    if (options.mode == PACED)
        return sprintf(
            to, "{\"input\":{\"n\":%ld,\"sentNanoseconds\":%lld},\"parameters\":{\"stamp\":true}}", count.begun,
            (long long)nanoseconds(CLOCK_REALTIME));
    if (options.mode == SINGLE) return sprintf(to, "{\"input\":{\"n\":%ld}}", count.begun);
    int length = 0;
    for (int i = 0; i < jobs; i++) length += sprintf(to + length, "{\"input\":{\"n\":%ld}}\n", count.begun + i);
    return length;
}

static void submit(struct connection *c) {
    static char *body;
    if (!body) body = malloc(256 + 64L * options.batch);
    long left = options.jobs - count.begun;
    c->jobs = options.mode != BULK ? 1 : left < options.batch ? (int)left : options.batch;
    int length = body_of(body, c->jobs);
    c->out_length = sprintf(
        c->out, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", options.path,
        options.port, options.mode == BULK ? "application/x-ndjson" : "application/json", length);
    memcpy(c->out + c->out_length, body, length);
    c->out_length += length;
    c->sent = c->in_length = 0;
    count.begun += c->jobs;
    count.requests++;
    flush_out(c);
}

// Answers

// The length of the body when all of the answer is there, else -1.
static long complete(const char *head, const char *body, size_t there) {
    const char *found = strcasestr(head, "\r\ncontent-length:");
    if (found && found < body) {
        long length = atol(found + 17);
        return there >= (size_t)length ? length : -1;
    }
    found = strcasestr(head, "\r\ntransfer-encoding: chunked");
    if (!found || found > body) fail("an answer has no length:\n%s", head);
    // JSON has no bare line break, so this is the last chunk.
    return there >= 5 && !memcmp(body + there - 5, "0\r\n\r\n", 5) ? (long)there : -1;
}

static void take(struct connection *c, const char *body) {
    int status = atoi(c->in + 9), wanted = options.mode == BULK ? 200 : 202;
    long accepted = 0;
    if (status == wanted && options.mode == BULK) {
        const char *found = strstr(body, "\"accepted\":");
        if (!found) fail("an answer does not say how many jobs were accepted: %.300s", body);
        accepted = atol(found + 11);
    } else if (status == wanted) {
        accepted = 1;
    }
    if (accepted < c->jobs && count.refused == 0) fprintf(stderr, "the first refusal: %.600s\n", c->in);
    count.accepted += accepted;
    count.refused += c->jobs - accepted;
    c->jobs = 0;
    if (!ids) return;
    for (const char *id = strstr(body, "\"id\":\""); id; id = strstr(id + 6, "\"id\":\"")) {
        fprintf(ids, "%.36s\n", id + 6);
        if (options.mode != BULK) return;
    }
}

// Reads what is there; says whether the request has been answered.
static int answered(struct connection *c) {
    for (;;) {
        if (c->in_size - c->in_length < 4096) c->in = realloc(c->in, c->in_size = c->in_size * 2 + 8192);
        ssize_t got = read(c->socket, c->in + c->in_length, c->in_size - c->in_length - 1);
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) fail("the server closed a connection with a request under way");
        c->in_length += got;
    }
    c->in[c->in_length] = 0;
    char *body = strstr(c->in, "\r\n\r\n");
    if (!body) return 0;
    body += 4;
    if (complete(c->in, body, c->in_length - (body - c->in)) < 0) return 0;
    take(c, body);
    return 1;
}

// Pacing: arrivals have a time of their own and wait for nobody's answer.

static int64_t next_arrival;
static long due;

static int64_t gap(void) {
    static uint64_t state = 88172645463325252ULL;
    if (options.even) return 1e9 / options.rate;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return -log(((state >> 11) + 1) * 0x1p-53) * 1e9 / options.rate;
}

static void arm(void) {
    struct itimerspec at = {.it_value = {next_arrival / 1000000000, next_arrival % 1000000000}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

// In turn: a server closes a connection that is never used.
static struct connection *idle(void) {
    static int next;
    for (int tried = 0; tried < options.connections; tried++) {
        struct connection *c = &all[next];
        next = (next + 1) % options.connections;
        if (!c->jobs) return c;
    }
    return NULL;
}

static void send_due(void) {
    struct connection *c;
    while (due > 0 && (c = idle())) {
        due--;
        submit(c);
    }
}

static void arrive(void) {
    uint64_t fired;
    if (read(timer, &fired, sizeof fired) < 0 && errno != EAGAIN) fail("timer: %s", strerror(errno));
    long came = 0;
    for (; next_arrival <= nanoseconds(CLOCK_MONOTONIC); next_arrival += gap())
        if (count.begun + due + came < options.jobs) came++;
    due += came;
    send_due();
    // What found no free connection is sent late, and that wait is not in its latency: it must not happen.
    count.late += due < came ? due : came;
    if (count.begun + due < options.jobs) arm();
}

// Start and end

static void open_connection(struct connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->socket, (struct sockaddr *)&to, sizeof to)) fail("no server on port %d: %s", options.port, strerror(errno));
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->socket, F_SETFL, O_NONBLOCK);
    c->out = malloc(1024 + 64L * options.batch);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void read_options(int argc, char **argv) {
    const char *modes[] = {"bulk", "single", "paced"};
    int mode = 0;
    while (argc > 1 && mode < 3 && strcmp(argv[1], modes[mode])) mode++;
    if (argc < 2 || mode == 3) fail("usage: loadgen bulk|single|paced --port P --jobs N ...");
    options.mode = mode;
    options.path = mode == BULK ? "/v1/endpoints/noop/jobs/bulk" : "/v1/endpoints/noop/jobs";
    for (int i = 2; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(name, "--even")) { options.even = 1; continue; }
        i++;
        if (!strcmp(name, "--port")) options.port = atoi(value);
        else if (!strcmp(name, "--jobs")) options.jobs = atol(value);
        else if (!strcmp(name, "--connections")) options.connections = atoi(value);
        else if (!strcmp(name, "--batch")) options.batch = atoi(value);
        else if (!strcmp(name, "--rate")) options.rate = atof(value);
        else if (!strcmp(name, "--path")) options.path = value;
        else if (!strcmp(name, "--ids")) options.ids = value;
        else fail("unknown option %s", name);
    }
    if (options.port < 1 || options.jobs < 1 || options.connections < 1 || options.batch < 1 || options.rate <= 0)
        fail("--port and --jobs are needed, and numbers are above 0");
}

static void begin(void) {
    if (options.mode == PACED) {
        timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
        epoll_ctl(events, EPOLL_CTL_ADD, timer, &event);
        next_arrival = nanoseconds(CLOCK_MONOTONIC) + gap();
        return arm();
    }
    for (int i = 0; i < options.connections && count.begun < options.jobs; i++) submit(&all[i]);
}

static void handle(struct epoll_event *event) {
    struct connection *c = event->data.ptr;
    if (!c) return arrive();
    if (event->events & EPOLLOUT) {
        flush_out(c);
        if (c->sent == c->out_length) watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
    if (!(event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || !answered(c)) return;
    if (options.mode == PACED) send_due();
    else if (count.begun < options.jobs) submit(c);
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    if (options.ids && !(ids = fopen(options.ids, "w"))) fail("%s: %s", options.ids, strerror(errno));
    events = epoll_create1(0);
    all = calloc(options.connections, sizeof *all);
    for (int i = 0; i < options.connections; i++) open_connection(&all[i]);
    int64_t start = nanoseconds(CLOCK_MONOTONIC);
    begin();
    while (count.accepted + count.refused < options.jobs) {
        struct epoll_event ready[64];
        int n = epoll_wait(events, ready, 64, 30000);
        if (n == 0) fail("the server has been silent for 30 s");
        for (int i = 0; i < n; i++) handle(&ready[i]);
    }
    double seconds = (nanoseconds(CLOCK_MONOTONIC) - start) / 1e9;
    if (ids) fclose(ids);
    printf(
        "{\"accepted\":%ld,\"refused\":%ld,\"requests\":%ld,\"late\":%ld,\"startedNanoseconds\":%lld,\"seconds\":%.6f,\"rate\":%.1f}\n",
        count.accepted, count.refused, count.requests, count.late, (long long)start, seconds, count.accepted / seconds);
    return count.refused > 0;
}
