/* Monotonic and wall-clock time. */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>

#include "base/failure.h"

int64_t clock_micros_of(struct timespec moment) { return (int64_t)moment.tv_sec * MICROS_PER_SECOND + moment.tv_nsec / 1000; }

static int64_t micros_of(clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) fail_errno(CNI_INTERNAL, "clock_gettime", errno);
  return clock_micros_of(now);
}

int64_t clock_micros(void) { return micros_of(CLOCK_MONOTONIC); }

int64_t clock_wall_micros(void) { return micros_of(CLOCK_REALTIME); }

int clock_poll_timeout(int64_t now, int64_t then) {
  if (then <= now) return 0;
  int64_t millis = (then - now + MICROS_PER_MILLI - 1) / MICROS_PER_MILLI;
  return millis > INT_MAX ? INT_MAX : (int)millis;
}
