/* A line on stderr, which runtimes put into their log. */
#ifndef MULTUS_NOTICE_H
#define MULTUS_NOTICE_H

#include "buffer.h"

/* Writes the texts as one line if stderr takes it at once: a runtime that does not read stderr must not block the shim. */
void notice_write(const char *const *texts);

#define notice(...) notice_write((const char *const[]){__VA_ARGS__, NULL})

#endif
