/* Removes interfaces as one group, then the container's address files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "net/address_files.h"
#include "net/link_messages.h"
#include "net/netns.h"
#include "net/tuning.h"

enum {
  /* For the kernel's events, and for host-local's lock in a directory. */
  EVENTS_PATIENCE = 20 * MICROS_PER_SECOND,
  LOCK_PATIENCE = 2 * MICROS_PER_SECOND,
  /* The child's life, seconds; a call of the kernel ends first. */
  CHILD_SECONDS = 60,
  /* The shim has no descriptor above: it closes inherited ones. */
  DESCRIPTORS_MAX = 1024,
};

struct removal {
  struct native_links *order;
  /* Indices (uint32_t) of the links that are still there. */
  struct buffer indices;
  uint32_t group;
  bool has_group;
  /* A link of a planned name that is of another kind. */
  char other[IFNAMSIZ];
};

static uint32_t *indices_of(const struct removal *removal, size_t *count) {
  *count = removal->indices.length / sizeof(uint32_t);
  return (uint32_t *)(void *)removal->indices.data;
}

/* Takes a link of the dump. */
static void take_link(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct removal *removal = context;
  struct link_details seen;
  if (header->nlmsg_type != RTM_NEWLINK || !link_details_take(header, payload, &seen)) return;
  removal->has_group = removal->has_group || seen.group == removal->group;
  for (size_t i = 0; i < removal->order->count; i++) {
    const struct native_link *link = &removal->order->list[i];
    bool is_kind = strcmp(seen.kind, native_is_veth(link) ? "veth" : "macvlan") == 0;
    bool has_name = strcmp(seen.name, link->name) == 0;
    bool has_mac = seen.has_mac && link->mac.length == sizeof seen.mac && memcmp(link->mac.data, seen.mac, sizeof seen.mac) == 0;
    if (has_name && !is_kind) memcpy(removal->other, seen.name, sizeof seen.name);
    if (!is_kind || (!has_name && !has_mac)) continue;
    buffer_append(&removal->indices, &seen.index, sizeof seen.index);
    return;
  }
}

static int list(struct rtnetlink *rtnetlink, struct removal *removal) {
  struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC};
  return rtnetlink_dump(rtnetlink, RTM_GETLINK, &fixed, sizeof fixed, &removal->indices, take_link, removal);
}

/* Forgets a link that is gone. */
static void take_event(const struct nlmsghdr *header, struct bytes payload, void *context) {
  struct removal *removal = context;
  struct link_details gone;
  size_t count;
  uint32_t *indices = indices_of(removal, &count);
  if (header->nlmsg_type != RTM_DELLINK || !link_details_take(header, payload, &gone)) return;
  for (size_t i = 0; i < count; i++) {
    if (indices[i] != gone.index) continue;
    indices[i] = indices[count - 1];
    removal->indices.length -= sizeof indices[0];
    return;
  }
}

/* The child: it shares nothing that a runtime or the daemon waits for, and ends when the kernel has waited for its grace periods. */
static _Noreturn void delete_and_exit(struct rtnetlink *rtnetlink, uint32_t index, uint32_t group, int result) {
  sigset_t none;
  (void)sigemptyset(&none);
  (void)signal(SIGALRM, SIG_DFL);
  (void)signal(SIGPIPE, SIG_IGN);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
  (void)alarm(CHILD_SECONDS);
  (void)setsid();
  for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
    if (fd != rtnetlink->descriptor && fd != result) (void)close(fd);
  }
  int error = link_delete(rtnetlink, index, NULL, group);
  _exit(write(result, &error, sizeof error) == (ssize_t)sizeof error ? 0 : 1);
}

/* Waits until all links are gone, or the child tells how its deletion has ended. 0 or an errno. */
static int wait_for_end(struct rtnetlink *events, struct rtnetlink *deleting, struct removal *removal, int result) {
  struct pollfd ready[] = {{.fd = events->descriptor, .events = POLLIN}, {.fd = result, .events = POLLIN}};
  int64_t until = clock_micros() + EVENTS_PATIENCE;
  while (removal->indices.length > 0) {
    int timeout = clock_poll_timeout(clock_micros(), until), error = 0;
    int count = poll(ready, COUNT_OF(ready), timeout);
    if (count == 0) return ETIMEDOUT;
    if (count < 0 && errno != EINTR) return errno;
    if (count > 0 && ready[0].revents != 0) error = rtnetlink_wait(events, until, take_event, removal);
    if (error != 0 && error != ENOBUFS) return error;
    /* Without an event the child's end counts. */
    if (count < 0 || ready[0].revents != 0 || ready[1].revents == 0) continue;
    if (read(result, &error, sizeof error) != (ssize_t)sizeof error) return ECHILD;
    if (error == 0) error = list(deleting, removal);
    return error != 0 ? error : removal->indices.length > 0 ? EBUSY : 0;
  }
  return 0;
}

/* Deletes the listed links. 0 or an errno. */
static int delete_links(struct rtnetlink *events, struct rtnetlink *deleting, struct removal *removal) {
  size_t count;
  const uint32_t *indices = indices_of(removal, &count);
  int error = 0, ends[2];
  for (size_t i = 0; error == 0 && count > 1 && i < count; i++) {
    error = link_change(deleting, indices[i], &(struct link_change){.group = removal->group});
    /* Gone meanwhile. */
    if (error == ENODEV) error = 0;
  }
  if (error == 0 && pipe2(ends, O_CLOEXEC) != 0) error = errno;
  if (error != 0) return error;
  pid_t child = fork();
  if (child == 0) delete_and_exit(deleting, count > 1 ? 0 : indices[0], count > 1 ? removal->group : 0, ends[1]);
  if (child < 0) error = errno;
  file_close(&ends[1]);
  if (child > 0) error = wait_for_end(events, deleting, removal, ends[0]);
  file_close(&ends[0]);
  return error;
}

static const char *remove_links(struct removal *removal, struct buffer *problem) {
  struct rtnetlink events, deleting = {.descriptor = -1};
  const char *error_code = NULL;
  int netns = netns_enter_other(removal->order->netns, problem);
  if (netns < 0) return "netns";
  int error = rtnetlink_open(&events, RTMGRP_LINK);
  if (error == 0) error = rtnetlink_open(&deleting, 0);
  netns_leave();
  file_close(&netns);
  if (error == 0 && getrandom(&removal->group, sizeof removal->group, 0) != (ssize_t)sizeof removal->group) error = errno;
  if (error == 0) error = list(&deleting, removal);
  if (error == 0 && removal->other[0] != '\0') {
    (void)problem_say(problem, "interface %s is of another kind", removal->other);
    error_code = "unsuited";
  } else if (error == 0 && removal->has_group) {
    (void)problem_say(problem, "a link has group %u", removal->group);
    error_code = "unsuited";
  } else if (error == 0 && removal->indices.length > 0) {
    error = delete_links(&events, &deleting, removal);
  }
  if (error != 0) {
    (void)problem_say(problem, "removing interfaces of %.*s: %s", BYTES_TEXT(removal->order->netns), strerror(error));
    if (deleting.explanation.length > 0) buffer_say(problem, " (", buffer_text(&deleting.explanation), ")");
    error_code = "failed";
  }
  rtnetlink_close(&events);
  rtnetlink_close(&deleting);
  return error_code;
}

/* False: there is such a directory, and it cannot be used. */
static bool open_files(const struct native_link *link, struct address_files *files, struct buffer *problem) {
  if (link->directory.length == 0 || address_files_open(files, link->directory)) return true;
  if (files->directory < 0 && errno == ENOENT) return true;
  return problem_say(problem, "cannot use %.*s: %s", BYTES_TEXT(link->directory), strerror(errno));
}

static bool release(const struct native_link *link, const struct address_files *files, const char *container_id, struct buffer *problem) {
  if (files->lock < 0) return true;
  bool is_released = address_files_lock(files, clock_micros() + LOCK_PATIENCE) && address_files_release(files, container_id, link->name);
  return is_released || problem_say(problem, "cannot release the addresses in %.*s: %s", BYTES_TEXT(link->directory), strerror(errno));
}

static bool has_netns(struct bytes netns) {
  char *path = bytes_copy_text(netns);
  bool has = netns_place_of(path) != NETNS_GONE;
  free(path);
  return has;
}

const char *native_links_detach(struct native_links *order, const char *container_id, struct buffer *problem) {
  struct removal removal = {.order = order};
  struct address_files files[NATIVE_MAX_LINKS];
  const char *error = NULL;
  for (size_t i = 0; i < order->count; i++) files[i] = (struct address_files){-1, -1};
  for (size_t i = 0; error == NULL && i < order->count; i++) {
    const struct native_link *link = &order->list[i];
    /* Before the link, for which it is: the plugin leaves one of a link that is gone. */
    bool is_good = open_files(link, &files[i], problem) && (tuning_remove_backup(link, container_id) ||
                   problem_say(problem, "cannot remove the file in %.*s: %s", BYTES_TEXT(link->backups), strerror(errno)));
    if (!is_good) error = "unsuited";
  }
  if (error == NULL && has_netns(order->netns)) error = remove_links(&removal, problem);
  for (size_t i = 0; i < order->count; i++) {
    if (error == NULL && !release(&order->list[i], &files[i], container_id, problem)) error = "failed";
    address_files_close(&files[i]);
  }
  buffer_free(&removal.indices);
  return error;
}
