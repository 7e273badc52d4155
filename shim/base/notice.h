/* A line on stderr, which runtimes put into their log. */
#pragma once

#include "base/buffer.h"

/* Writes the texts as one line if stderr takes it at once: a runtime that does not read stderr must not block the shim. */
void notice_write(const char *const *texts);

#define notice(...) notice_write((const char *const[]){__VA_ARGS__, NULL})
