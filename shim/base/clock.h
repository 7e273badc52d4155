/* Monotonic and wall-clock time. */
#pragma once

#include <stdint.h>
#include <time.h>

enum { MICROS_PER_MILLI = 1000, MICROS_PER_SECOND = 1000000 };

/* Monotonic microseconds since an arbitrary moment. */
int64_t clock_micros(void);

/* Wall-clock microseconds since 1970; the clock may be set back. */
int64_t clock_wall_micros(void);

/* A moment in microseconds. */
int64_t clock_micros_of(struct timespec moment);

/* Timeout for poll(), in milliseconds, from `now` until `then`: rounded up, 0 if `then` is past. */
int clock_poll_timeout(int64_t now, int64_t then);
