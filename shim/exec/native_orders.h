/* Carries out ATTACH_LINKS and DETACH_LINKS. */
#pragma once

#include "exec/permissions.h"
#include "wire/connection.h"
#include "wire/frame.h"

/* Each returns NULL after DONE is sent; otherwise its `error`, with the reason in `problem`. Before the order is due it is only checked: NULL where it is permitted. */
const char *native_orders_attach(const struct permissions *permissions, struct connection *connection, const struct frame *frame, bool is_due,
                                 struct buffer *problem);
const char *native_orders_detach(const struct permissions *permissions, struct connection *connection, const struct frame *frame, bool is_due,
                                 struct buffer *problem);
