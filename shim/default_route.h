/* The default routes of one interface: the old ones away, the new ones in. */
#ifndef MULTUS_DEFAULT_ROUTE_H
#define MULTUS_DEFAULT_ROUTE_H

#include "netlink_call.h"
#include "order.h"

/* Carries out a DEFAULT_ROUTE. What is wrong is appended to `problem`. */
enum netlink_outcome default_route_set(const struct order_default_route *order, struct buffer *problem);

#endif
