#!/usr/bin/env bash
# When the wall clock is set back, waits of librdkafka last longer by as much: poll(1) takes an hour and a second.
#
# Software: librdkafka 2.16.0 (in confluent-kafka 2.16.1 for Python), glibc, Linux.
# Seen:     a consumer's poll(1) and an admin's list_topics(timeout=1) are under way when the clock is set back by 10 s:
#           they return after 11 s, or 21. librdkafka waits on conditions until an instant of CLOCK_REALTIME; what another
#           thread signals ends the wait earlier, but time does not. Its timers, heartbeats among them, wait likewise.
# Expected: a time-out of a second is over after a second, by CLOCK_MONOTONIC (pthread_condattr_setclock).
# Source:   librdkafka issue 2145 (open since 2018).
#
# Sets no real clock: a preloaded library moves CLOCK_REALTIME for one process, and ends waits as the kernel does, when
# that clock reads their instant. Needs bash, python3 with venv, and cc; no broker. Takes half a minute.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1
cat > "$work/clock.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <threads.h>
#include <time.h>

static atomic_llong ahead; /* nanoseconds */
static atomic_uint signals;
void set_clock(long long nanoseconds) { ahead = nanoseconds; }

static int64_t count(const struct timespec *t) { return t->tv_sec * 1000000000LL + t->tv_nsec; }
static struct timespec spec(int64_t n) { return (struct timespec){n / 1000000000, n % 1000000000}; }
static int64_t now(void) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
    struct timespec t;
    next(CLOCK_REALTIME, &t);
    return count(&t);
}
int timespec_get(struct timespec *t, int base) { return *t = spec(now() + ahead), base; }
int clock_gettime(clockid_t clock, struct timespec *t) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
    return clock == CLOCK_REALTIME ? (*t = spec(now() + ahead), 0) : next(clock, t);
}
int cnd_signal(cnd_t *cond) {
    static int (*next)(cnd_t *);
    if (!next) next = dlsym(RTLD_NEXT, "cnd_signal");
    return signals++, next(cond);
}
int cnd_broadcast(cnd_t *cond) {
    static int (*next)(cnd_t *);
    if (!next) next = dlsym(RTLD_NEXT, "cnd_broadcast");
    return signals++, next(cond);
}
int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until) { /* in slices, to see a clock that is set */
    static int (*next)(cnd_t *, mtx_t *, const struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "cnd_timedwait");
    for (unsigned before = signals;;) {
        int64_t left = count(until) - ahead - now();
        if (left <= 0) return thrd_timedout;
        struct timespec slice = spec(now() + (left < 50000000 ? left : 50000000));
        int result = next(cond, mutex, &slice);
        if (result != thrd_timedout) return result;
        if (signals != before) return thrd_success;
    }
}
C
cc -shared -fPIC -w -o "$work/clock.so" "$work/clock.c" -ldl
cat > "$work/finding.py" <<'PYTHON'
import ctypes
import importlib.metadata
import os
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, libversion

BACK_S = 10
QUIET = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "reconnect.backoff.ms": 600_000, "reconnect.backoff.max.ms": 600_000}
set_clock = ctypes.CDLL(None).set_clock
set_clock.argtypes = [ctypes.c_longlong]
print(f"confluent-kafka {importlib.metadata.version('confluent-kafka')}, librdkafka {libversion()[0]}")
consumer, producer = Consumer({**QUIET, "group.id": "finding"}), Producer(QUIET)
consumer.subscribe(["topic"])
consumer.poll(2)  # the one attempt to connect is over


def ask():
    try:
        producer.list_topics(timeout=1)
    except KafkaException:
        pass


def seconds(call, ahead_s):
    """How long a call takes when the clock is set in the midst of it."""
    set_clock(0)
    threading.Timer(0.3, set_clock, [ahead_s * 10**9]).start()
    began = time.monotonic()
    call()
    return time.monotonic() - began


for name, call in {"poll(1)": lambda: consumer.poll(1), "list_topics(timeout=1)": ask}.items():
    left, back = seconds(call, 0), seconds(call, -BACK_S)
    print(f"{name}: {left:.1f} s; {back:.1f} s when the clock is set back by {BACK_S} s")
    assert left < 5 and back > BACK_S
print("as described: a wait lasts longer by what the clock is set back", flush=True)
os._exit(0)
PYTHON
LD_PRELOAD="$work/clock.so" timeout 120 "$work/venv/bin/python" "$work/finding.py"
