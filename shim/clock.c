/* Time that only goes forward. */
#define _GNU_SOURCE
#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#include "failure.h"

int64_t clock_micros(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) fail_errno(CNI_INTERNAL, "clock_gettime", errno);
  return (int64_t)now.tv_sec * MICROS_PER_SECOND + now.tv_nsec / 1000;
}

int clock_poll_timeout(int64_t now, int64_t then) {
  if (then <= now) return 0;
  int64_t millis = (then - now + MICROS_PER_MILLI - 1) / MICROS_PER_MILLI;
  return millis > INT_MAX ? INT_MAX : (int)millis;
}
