/* Settings of links below /proc/sys/net, in the namespace that the process is in. */
#pragma once

#include "base/buffer.h"

/* Reads `net/<table>/<link>/<name>`; a table is "ipv4/conf", for example. False: it is not there, or not the one character long number that `value` becomes. */
bool link_setting_read(const char *table, const char *link, const char *name, char *value);

/* Writes one. 0 or an errno. */
int link_setting_write(const char *table, const char *link, const char *name, const char *value);

/* Does this namespace forward packets of the family (AF_INET or AF_INET6)? */
bool link_setting_forwards(int family);
