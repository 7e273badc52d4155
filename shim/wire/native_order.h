/* Parses and checks the bodies of ATTACH_LINKS and DETACH_LINKS. */
#pragma once

#include "net/native_links.h"
#include "wire/msgpack.h"

/* A plugin, whose file has to be in a state. */
struct order_plugin {
  struct bytes plugin;
  struct bytes path;
  struct bytes file_state;
};

struct order_plugins {
  size_t count;
  struct order_plugin list[NATIVE_MAX_PLUGINS];
};

/* Each returns false, and appends the reason to `problem`, if the body does not conform to docs/wire.md. `links`, all zero before, has to be freed with
 * native_links_free() in either case. */
bool order_read_attach_links(struct msgpack_value body, struct native_links *links, struct order_plugins *plugins, struct buffer *problem);
bool order_read_detach_links(struct msgpack_value body, struct native_links *links, struct buffer *problem);
