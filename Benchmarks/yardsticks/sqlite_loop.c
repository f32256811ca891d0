// The bare loop against which the store is measured: the statements that `millrace-bench engine` ran, with the same
// values, in the same transactions, over SQLite alone. Prints one line of JSON, in jobs a second.
//   sqlite_loop STORE RECORDING JOBS [list]
// STORE: a file as the recorded run found it. RECORDING: what statement_recorder.c wrote. JOBS: how many there were; that
// many must have succeeded in the end. list: says on standard error which statements run how often.
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static sqlite3 *db;

struct text {
    char *sql;
    sqlite3_stmt *statement;
    long runs;
};

static void check(int code, const char *what) {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
    fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static int64_t answer_of(const char *sql) {
    sqlite3_stmt *statement;
    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), sql);
    check(sqlite3_step(statement), sql);
    int64_t answer = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return answer;
}

// Reading the recording

static const char *next, *end;

static uint32_t number(void) {
    uint32_t value;
    memcpy(&value, next, sizeof value);
    next += sizeof value;
    return value;
}

static void map(const char *path) {
    struct stat about;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &about)) { perror(path); exit(1); }
    next = mmap(NULL, about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (next == MAP_FAILED) { perror(path); exit(1); }
    end = next + about.st_size;
}

static struct text *read_texts(uint32_t *count) {
    *count = number();
    struct text *texts = calloc(*count, sizeof *texts);
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t length = number();
        texts[i].sql = strndup(next, length);
        next += length;
    }
    return texts;
}

// The loop

static void bind(sqlite3_stmt *statement, int at) {
    uint32_t length;
    int64_t integer;
    double real;
    switch (*next++) {
    case SQLITE_NULL:
        check(sqlite3_bind_null(statement, at), "NULL");
        break;
    case SQLITE_INTEGER:
        memcpy(&integer, next, 8);
        next += 8;
        check(sqlite3_bind_int64(statement, at, integer), "integer");
        break;
    case SQLITE_FLOAT:
        memcpy(&real, next, 8);
        next += 8;
        check(sqlite3_bind_double(statement, at, real), "real");
        break;
    case SQLITE_TEXT:
        length = number();
        check(sqlite3_bind_text(statement, at, next, length, SQLITE_STATIC), "text");
        next += length;
        break;
    default:
        length = number();
        check(sqlite3_bind_blob(statement, at, next, length, SQLITE_STATIC), "blob");
        next += length;
    }
}

static void run(struct text *text) {
    uint32_t steps = number(), values = number();
    text->runs++;
    if (steps == 0) return check(sqlite3_exec(db, text->sql, NULL, NULL, NULL), text->sql);
    if (!text->statement)
        check(sqlite3_prepare_v3(db, text->sql, -1, SQLITE_PREPARE_PERSISTENT, &text->statement, NULL), text->sql);
    for (uint32_t i = 1; i <= values; i++) bind(text->statement, i);
    for (uint32_t i = 0; i < steps; i++) check(sqlite3_step(text->statement), text->sql);
    sqlite3_reset(text->statement);
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "usage: sqlite_loop STORE RECORDING JOBS [list]\n"), 1;
    uint32_t count;
    long jobs = atol(argv[3]);
    check(sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL), argv[1]);
    map(argv[2]);
    struct text *texts = read_texts(&count);
    double start = seconds();
    while (next < end) run(&texts[number()]);
    double took = seconds() - start;
    int64_t synchronous = answer_of("PRAGMA synchronous"), succeeded = answer_of("SELECT count(*) FROM job WHERE state = 2");
    if (synchronous != 2) return fprintf(stderr, "PRAGMA synchronous is %d, not FULL\n", (int)synchronous), 1;
    if (succeeded != jobs) return fprintf(stderr, "%ld of %ld jobs have succeeded\n", (long)succeeded, jobs), 1;
    for (uint32_t i = 0; argc > 4 && i < count; i++) fprintf(stderr, "%8ld  %s\n", texts[i].runs, texts[i].sql);
    printf("{\"rate\":%.0f,\"seconds\":%.3f}\n", jobs / took, took);
}
