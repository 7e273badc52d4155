/* Time: that which only goes forward, and the one on the wall. */
#ifndef MULTUS_CLOCK_H
#define MULTUS_CLOCK_H

#include <stdint.h>

enum { MICROS_PER_MILLI = 1000, MICROS_PER_SECOND = 1000000 };

/* Microseconds since some moment. */
int64_t clock_micros(void);

/* Microseconds since 1970, by a clock that may be set back. */
int64_t clock_wall_micros(void);

/* Milliseconds from `now` until `then` for poll(): rounded up, 0 if past. */
int clock_poll_timeout(int64_t now, int64_t then);

#endif
