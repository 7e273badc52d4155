/* The version of this binary, and the supported versions of the CNI spec. */
#pragma once

#include "base/buffer.h"

/* Version of this binary, as package.json has it. */
extern const char version_of_shim[];

/* Answer to CNI_COMMAND=VERSION (CNI spec, section 5 "VERSION Success"), with its line end. */
void version_append_result(struct buffer *out);

/* Is it one of the supported versions of the spec? */
bool version_is_supported(struct bytes version);
/* The supported versions of the spec, separated by commas. */
void version_append_supported(struct buffer *out);
