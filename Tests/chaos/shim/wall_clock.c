// Moves the wall clock of a process and its children, at once and while they run: the offset is a number in a file that
// all of them map. The monotonic clock stays true, as on a machine whose time is set.
//
//   CHAOS_CLOCK   a file of 8 bytes: nanoseconds that are added to the wall clock
//
// libfaketime does the same and more, but it sets variables of the environment when it is loaded; that moves the
// environment, and a Swift program, which finds its arguments beside it, is left without any.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <dlfcn.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define SECOND 1000000000ll

static const int64_t *offset;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) offset = mapped;
}

static int64_t moved_by(void) { return offset ? __atomic_load_n(offset, __ATOMIC_ACQUIRE) : 0; }

static void move(struct timespec *time, int64_t by) {
    int64_t whole = (int64_t)time->tv_sec * SECOND + time->tv_nsec + by;
    time->tv_sec = whole / SECOND;
    time->tv_nsec = whole % SECOND;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *time) {
    // Through the call that the C library makes without a system call where it can.
    static int (*ask)(clockid_t, struct timespec *);
    if (!ask) ask = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = ask(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) move(time, moved_by());
    return result;
}

EXPORT int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0) {
        time->tv_sec = now.tv_sec;
        time->tv_usec = now.tv_nsec / 1000;
    }
    return 0;
}

EXPORT time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

// Who waits until a moment of the wall clock gives one of the moved clock; the system knows only the true one. Moments
// of the monotonic clock are small numbers.
static struct timespec true_moment(const struct timespec *moment) {
    struct timespec copy = *moment;
    if (copy.tv_sec > 1000000000) move(&copy, -moved_by());
    return copy;
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *moment) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!wait) wait = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec until = true_moment(moment);
    return wait(condition, mutex, &until);
}

EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *moment) {
    static int (*wait)(sem_t *, const struct timespec *);
    if (!wait) wait = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec until = true_moment(moment);
    return wait(semaphore, &until);
}

EXPORT int timerfd_settime(int timer, int flags, const struct itimerspec *value, struct itimerspec *old) {
    struct itimerspec copy = *value;
    if (flags & TFD_TIMER_ABSTIME) copy.it_value = true_moment(&value->it_value);
    return (int)syscall(SYS_timerfd_settime, timer, flags, &copy, old);
}
