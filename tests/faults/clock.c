/* A wall clock that can be set for one process, as the machine's can be set for all: preloaded (LD_PRELOAD), with
 * FAULTS_CLOCK naming a file of two numbers of eight bytes: by how many nanoseconds the clock is ahead; and how often it
 * was read while it was.
 *
 * Only CLOCK_REALTIME moves. A wait on a condition until an instant of that clock ends as the kernel would end it: when
 * the clock *then* reads that instant, however it was set in the meantime. libfaketime counts from the call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define SLICE (50 * 1000000LL) /* after which a wait looks at the clock again */

static int64_t ahead(void) {
    static volatile int64_t *file;
    if (file == NULL) {
        const char *path = getenv("FAULTS_CLOCK"); /* not there yet in the fork server */
        int at = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
        void *map = at < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, at, 0);
        if (at >= 0) close(at);
        if (map == MAP_FAILED) return 0;
        file = map;
    }
    file[1] += file[0] != 0;
    return file[0];
}

static int true_time(clockid_t clock, struct timespec *now) {
    static int (*gettime)(clockid_t, struct timespec *);
    if (gettime == NULL) gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    return gettime(clock, now);
}

static int64_t count(const struct timespec *time) { return time->tv_sec * SECOND + time->tv_nsec; }

static struct timespec spec(int64_t nanoseconds) {
    return (struct timespec){.tv_sec = nanoseconds / SECOND, .tv_nsec = nanoseconds % SECOND};
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = true_time(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) *now = spec(count(now) + ahead());
    return failed;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec time;
    if (clock_gettime(CLOCK_REALTIME, &time)) return -1;
    now->tv_sec = time.tv_sec, now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (now != NULL) *now = time.tv_sec;
    return time.tv_sec;
}

/* How often conditions were signalled, by address: a wait in slices must not miss what comes between two of them. */
static atomic_uint signals[4096];

static atomic_uint *signals_of(const void *cond) { return &signals[((uintptr_t)cond >> 4) % 4096]; }

static void *after_us(const char *name, const char *version) { /* the default may be of 1997, with another layout */
    void *found = dlvsym(RTLD_NEXT, name, version);
    return found != NULL ? found : dlsym(RTLD_NEXT, name);
}

#define SIGNALLED(type, name)                                             \
    int name(type *cond) {                                                \
        static int (*next)(type *);                                       \
        if (next == NULL) next = (int (*)(type *))after_us(#name, "GLIBC_2.3.2"); \
        atomic_fetch_add(signals_of(cond), 1);                            \
        return next(cond);                                                \
    }
SIGNALLED(pthread_cond_t, pthread_cond_signal)
SIGNALLED(pthread_cond_t, pthread_cond_broadcast)
SIGNALLED(cnd_t, cnd_signal)
SIGNALLED(cnd_t, cnd_broadcast)

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (wait == NULL) wait = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))after_us(
        "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (cond->__data.__wrefs & 2) return wait(cond, mutex, until); /* glibc's mark of CLOCK_MONOTONIC */
    unsigned before = atomic_load(signals_of(cond));
    for (;;) {
        struct timespec now;
        true_time(CLOCK_REALTIME, &now);
        int64_t left = count(until) - ahead() - count(&now);
        if (left <= 0) return ETIMEDOUT;
        struct timespec slice = spec(count(&now) + (left < SLICE ? left : SLICE));
        int result = wait(cond, mutex, &slice);
        if (result != ETIMEDOUT) return result;
        if (atomic_load(signals_of(cond)) != before) return 0;
    }
}

/* The same by its name in C11, as librdkafka calls it; in glibc both have one layout. */
int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until) {
    int result = pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until);
    return result == 0 ? thrd_success : result == ETIMEDOUT ? thrd_timedout : thrd_error;
}
