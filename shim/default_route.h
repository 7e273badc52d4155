/* The default routes of one interface: the old ones away, the new ones in. */
#ifndef MULTUS_DEFAULT_ROUTE_H
#define MULTUS_DEFAULT_ROUTE_H

#include "order.h"

enum default_route_outcome { DEFAULT_ROUTE_SET, DEFAULT_ROUTE_NO_NETNS, DEFAULT_ROUTE_FAILED };

/* Carries out a DEFAULT_ROUTE. What is wrong is appended to `problem`. */
enum default_route_outcome default_route_set(const struct order_default_route *order, struct buffer *problem);

#endif
