/* The changes of a link by the plugin tuning, and the file in which it keeps how the link was before. */
#pragma once

#include "net/native_links.h"

/* Writes the settings of the link, in the namespace that the process is in: those of tuning, of which each has to succeed, or those of the plugin that makes the link,
 * which does not mind where the kernel lacks one. False: `problem` says why. */
bool tuning_write_settings(const struct native_link *link, bool is_tuning, struct buffer *problem);

/* Does all that the plugin does with the link in its ADD. False: `problem` says why. */
bool tuning_apply(struct rtnetlink *inside, struct native_link *link, const char *container_id, struct buffer *problem);

/* Removes the file of the container's interface, if there is one. False, with errno. */
bool tuning_remove_backup(const struct native_link *link, const char *container_id);
