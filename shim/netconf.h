/* Reads the keys of the netconf on stdin that the shim itself needs. */
#pragma once

#include "exec/plugin_path.h"
#include "on_demand/on_demand.h"
#include "spool/spool.h"
#include "wire/request.h"

struct netconf {
  /* In the directory that `daemonSocketDir` names. */
  struct buffer socket_path;
  /* Those of CNI_PATH, /opt/cni/bin, and those that `binDir` names. */
  struct plugin_directories directories;
  struct spool_settings spool;
  struct on_demand on_demand;
  uint32_t daemon_wait_seconds;
};

/* Reads the keys; freed with netconf_free(). Ends the process with CNI error 7 if a key's value is wrong, or with 5. */
struct netconf netconf_read(const struct request *request);
void netconf_free(struct netconf *netconf);
