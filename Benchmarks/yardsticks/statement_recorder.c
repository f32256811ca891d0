// Preloaded into `millrace-bench engine`: writes down every statement that the store's writer runs, with its values, for
// sqlite_loop.c to run again. RECORDING names the file.
//
// The file: the number of statements, each as length and text; then one entry for each execution: which statement, how
// often it was stepped (0: through sqlite3_exec), how many values, and each value as its type, its length where it has
// one, and its bytes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct value {
    unsigned char type;
    uint32_t length;
    char *bytes;
};

struct statement {
    sqlite3_stmt *handle;
    uint32_t sql, count;
    struct value *values;
    size_t entry;  // where in the log the execution under way is; 0: none is
    struct statement *next;
};

enum { TEXTS_MAX = 4096, BUCKETS = 1024 };
static char *texts[TEXTS_MAX];
static uint32_t text_count;
static struct statement *buckets[BUCKETS];
static char *entries;
static size_t length = 8, size;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void die(const char *what) {
    fprintf(stderr, "statement_recorder: %s\n", what);
    abort();
}

// The log

static void append(const void *bytes, size_t count) {
    if (length + count > size && !(entries = realloc(entries, size = (length + count) * 2))) die("no memory");
    memcpy(entries + length, bytes, count);
    length += count;
}

static void append_number(uint32_t number) { append(&number, sizeof number); }

static uint32_t text_number(const char *sql) {
    for (uint32_t i = 0; i < text_count; i++)
        if (!strcmp(texts[i], sql)) return i;
    if (text_count == TEXTS_MAX) die("too many different statements");
    texts[text_count] = strdup(sql);
    return text_count++;
}

static size_t append_entry(uint32_t sql, uint32_t count, const struct value *values) {
    size_t entry = length;
    append_number(sql);
    append_number(0);
    append_number(count);
    for (uint32_t i = 0; i < count; i++) {
        append(&values[i].type, 1);
        if (values[i].type == SQLITE_NULL) continue;
        if (values[i].type == SQLITE_TEXT || values[i].type == SQLITE_BLOB) append_number(values[i].length);
        append(values[i].bytes, values[i].length);
    }
    return entry;
}

__attribute__((destructor)) static void save(void) {
    const char *path = getenv("RECORDING");
    FILE *file = path ? fopen(path, "wb") : NULL;
    if (!file) die("RECORDING names no file that can be written");
    fwrite(&text_count, sizeof text_count, 1, file);
    for (uint32_t i = 0; i < text_count; i++) {
        uint32_t count = strlen(texts[i]);
        fwrite(&count, sizeof count, 1, file);
        fwrite(texts[i], 1, count, file);
    }
    if (length > 8) fwrite(entries + 8, 1, length - 8, file);
    if (fclose(file)) die("the recording could not be written");
}

// Statements of a connection that writes

static struct statement **place(sqlite3_stmt *handle) {
    struct statement **found = &buckets[((uintptr_t)handle >> 4) % BUCKETS];
    while (*found && (*found)->handle != handle) found = &(*found)->next;
    return found;
}

static void learn(sqlite3 *db, sqlite3_stmt *handle) {
    if (inside || !handle || sqlite3_db_readonly(db, "main") != 0) return;
    struct statement *new = calloc(1, sizeof *new);
    new->handle = handle;
    new->count = sqlite3_bind_parameter_count(handle);
    new->values = calloc(new->count + 1, sizeof *new->values);
    for (uint32_t i = 0; i < new->count; i++) new->values[i].type = SQLITE_NULL;
    pthread_mutex_lock(&lock);
    new->sql = text_number(sqlite3_sql(handle));
    *place(handle) = new;
    pthread_mutex_unlock(&lock);
}

static void keep(sqlite3_stmt *handle, int at, int type, const void *bytes, size_t count) {
    pthread_mutex_lock(&lock);
    struct statement *found = *place(handle);
    if (found && at >= 1 && (uint32_t)at <= found->count) {
        struct value *value = &found->values[at - 1];
        value->type = bytes ? type : SQLITE_NULL;
        value->length = count;
        value->bytes = realloc(value->bytes, count + 1);
        if (count) memcpy(value->bytes, bytes, count);
    }
    pthread_mutex_unlock(&lock);
}

int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int bytes, sqlite3_stmt **statement, const char **tail) {
    REAL(sqlite3_prepare_v2);
    int code = real(db, sql, bytes, statement, tail);
    if (code == SQLITE_OK) learn(db, *statement);
    return code;
}

int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int bytes, unsigned flags, sqlite3_stmt **statement, const char **tail) {
    REAL(sqlite3_prepare_v3);
    int code = real(db, sql, bytes, flags, statement, tail);
    if (code == SQLITE_OK) learn(db, *statement);
    return code;
}

int sqlite3_step(sqlite3_stmt *statement) {
    REAL(sqlite3_step);
    pthread_mutex_lock(&lock);
    struct statement *found = inside ? NULL : *place(statement);
    if (found) {
        uint32_t steps = 0;
        if (!found->entry) found->entry = append_entry(found->sql, found->count, found->values);
        memcpy(&steps, entries + found->entry + 4, sizeof steps);
        steps++;
        memcpy(entries + found->entry + 4, &steps, sizeof steps);
    }
    pthread_mutex_unlock(&lock);
    int code = real(statement);
    if (found && code != SQLITE_ROW) found->entry = 0;
    return code;
}

int sqlite3_reset(sqlite3_stmt *statement) {
    REAL(sqlite3_reset);
    pthread_mutex_lock(&lock);
    struct statement *found = *place(statement);
    if (found) found->entry = 0;
    pthread_mutex_unlock(&lock);
    return real(statement);
}

int sqlite3_finalize(sqlite3_stmt *statement) {
    REAL(sqlite3_finalize);
    pthread_mutex_lock(&lock);
    struct statement **at = place(statement), *found = *at;
    if (found) {
        *at = found->next;
        for (uint32_t i = 0; i < found->count; i++) free(found->values[i].bytes);
        free(found->values);
        free(found);
    }
    pthread_mutex_unlock(&lock);
    return real(statement);
}

int sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *context, char **error) {
    REAL(sqlite3_exec);
    if (!inside && sqlite3_db_readonly(db, "main") == 0) {
        pthread_mutex_lock(&lock);
        append_entry(text_number(sql), 0, NULL);
        pthread_mutex_unlock(&lock);
    }
    // What it prepares and steps by itself is part of it.
    inside++;
    int code = real(db, sql, row, context, error);
    inside--;
    return code;
}

// Values

int sqlite3_clear_bindings(sqlite3_stmt *statement) {
    REAL(sqlite3_clear_bindings);
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) keep(statement, i, SQLITE_NULL, NULL, 0);
    return real(statement);
}

int sqlite3_bind_null(sqlite3_stmt *statement, int at) {
    REAL(sqlite3_bind_null);
    keep(statement, at, SQLITE_NULL, NULL, 0);
    return real(statement, at);
}

int sqlite3_bind_int64(sqlite3_stmt *statement, int at, sqlite3_int64 value) {
    REAL(sqlite3_bind_int64);
    keep(statement, at, SQLITE_INTEGER, &value, sizeof value);
    return real(statement, at, value);
}

int sqlite3_bind_int(sqlite3_stmt *statement, int at, int value) { return sqlite3_bind_int64(statement, at, value); }

int sqlite3_bind_double(sqlite3_stmt *statement, int at, double value) {
    REAL(sqlite3_bind_double);
    keep(statement, at, SQLITE_FLOAT, &value, sizeof value);
    return real(statement, at, value);
}

int sqlite3_bind_text(sqlite3_stmt *statement, int at, const char *text, int bytes, void (*done)(void *)) {
    REAL(sqlite3_bind_text);
    keep(statement, at, SQLITE_TEXT, text, !text ? 0 : bytes < 0 ? strlen(text) : (size_t)bytes);
    return real(statement, at, text, bytes, done);
}

int sqlite3_bind_blob(sqlite3_stmt *statement, int at, const void *blob, int bytes, void (*done)(void *)) {
    REAL(sqlite3_bind_blob);
    keep(statement, at, SQLITE_BLOB, blob, blob ? bytes : 0);
    return real(statement, at, blob, bytes, done);
}

// These would be lost; the store does not use them.
int sqlite3_bind_value(sqlite3_stmt *statement, int at, const sqlite3_value *value) {
    (void)statement, (void)at, (void)value;
    die("sqlite3_bind_value is not recorded");
    return SQLITE_MISUSE;
}

int sqlite3_bind_zeroblob(sqlite3_stmt *statement, int at, int bytes) {
    (void)statement, (void)at, (void)bytes;
    die("sqlite3_bind_zeroblob is not recorded");
    return SQLITE_MISUSE;
}
