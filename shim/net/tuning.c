/* The changes of a link by the plugin tuning, and the file in which it keeps how the link was before. */
#include "net/tuning.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "net/address_files.h"
#include "net/link_settings.h"

/* A list of settings that the plugin may make. */
static const char allow_list[] = "/etc/cni/tuning/allowlist.conf";

bool tuning_write_settings(const struct native_link *link, bool is_tuning, struct buffer *problem) {
  size_t count = link->settings.length / sizeof(struct native_setting);
  const struct native_setting *settings = (const struct native_setting *)(const void *)link->settings.data;
  for (size_t i = 0; i < count; i++) {
    if (settings[i].is_tuning != is_tuning) continue;
    int error = link_setting_write(settings[i].table, link->name, settings[i].name, settings[i].value);
    if (error != 0 && is_tuning) return problem_say(problem, "%s: writing %s: %s", link->name, settings[i].name, strerror(error));
  }
  return true;
}

/* As the plugin writes it: what is changed, as it is now. */
static void put_backup(struct buffer *text, const struct link_change *change, const struct link_details *now) {
  const uint8_t *mac = now->mac;
  if (change->mac.length > 0) buffer_print(text, ",\n \"mac\": \"%02x:%02x:%02x:%02x:%02x:%02x\"", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  if ((change->changed_flags & IFF_PROMISC) != 0) buffer_print(text, ",\n \"promisc\": %s", now->promiscuity != 0 ? "true" : "false");
  if (change->mtu != 0) buffer_print(text, ",\n \"mtu\": %u", now->mtu);
  if ((change->changed_flags & IFF_ALLMULTI) != 0) buffer_print(text, ",\n \"allmulti\": %s", (now->flags & IFF_ALLMULTI) != 0 ? "true" : "false");
  if (change->has_queue_length) buffer_print(text, ",\n \"txQLen\": %u", now->queue_length);
  buffer_say(text, "\n}");
  text->data[0] = '{';
}

/* Starts work in the directory. Its descriptor, or -1 with errno; `name` becomes that of the file. */
static int open_backups(const struct native_link *link, const char *container_id, struct buffer *name) {
  buffer_say(name, container_id, "_", link->name, ".json");
  return directory_open(link->backups);
}

static int save_backup(struct native_link *link, const char *container_id, const struct link_details *now) {
  struct buffer name = {0}, text = {0};
  put_backup(&text, &link->tuning, now);
  int directory = open_backups(link, container_id, &name);
  int error = directory < 0 ? errno : 0;
  int unnamed = error == 0 ? directory_prepare_file(directory, buffer_bytes(&text)) : -1;
  if (error == 0) error = directory_make_file(directory, buffer_text(&name), unnamed, buffer_bytes(&text));
  link->has_backup = error == 0;
  file_close(&unnamed);
  file_close(&directory);
  buffer_free(&name);
  buffer_free(&text);
  return error;
}

bool tuning_remove_backup(const struct native_link *link, const char *container_id) {
  struct buffer name = {0};
  if (link->backups.length == 0) return true;
  int directory = open_backups(link, container_id, &name);
  bool is_gone = (directory >= 0 && unlinkat(directory, buffer_text(&name), 0) == 0) || errno == ENOENT;
  int error = errno;
  file_close(&directory);
  buffer_free(&name);
  errno = error;
  return is_gone;
}

bool tuning_apply(struct rtnetlink *inside, struct native_link *link, const char *container_id, struct buffer *problem) {
  struct link_details now;
  if (!link->is_tuned) return true;
  if (access(allow_list, F_OK) == 0 || errno != ENOENT) return problem_say(problem, "%s is there", allow_list);
  if (!tuning_write_settings(link, true, problem)) return false;
  if (link->backups.length == 0) return true;
  int error = link_details_find(inside, link->name, &now);
  if (error == 0) error = save_backup(link, container_id, &now);
  if (error == 0) error = link_change(inside, link->index, &link->tuning);
  return error == 0 || problem_say(problem, "%s: tuning it: %s", link->name, strerror(error));
}
