/* The check of a stream of frames, which also says what it finds: for tests that compare it with another reader. */
#ifndef MULTUS_FUZZ_FRAMES_H
#define MULTUS_FUZZ_FRAMES_H

#include "buffer.h"

/* Goes through a stream as the shim does. With `print` 'f' prints of each frame "type id kind", with 'o' what the decoder of the order says ("ok", or
 * what is wrong), then how the stream ends; with 0 nothing. */
void frames_check(struct bytes stream, char print);

#endif
