/* Replaces the default routes of one interface. */
#ifndef MULTUS_DEFAULT_ROUTE_H
#define MULTUS_DEFAULT_ROUTE_H

#include "netlink_call.h"
#include "order.h"

/* Carries out a DEFAULT_ROUTE. Appends the reason of a failure to `problem`. */
enum netlink_outcome default_route_set(const struct order_default_route *order, struct buffer *problem);

#endif
