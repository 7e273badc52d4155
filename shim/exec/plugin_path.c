/* The directories that plugins may be run from, the search for a plugin's file, and its state. */
#include "exec/plugin_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/files.h"

enum { SETTLED_AFTER = 100 * MICROS_PER_MILLI };

/* Takes the next entry off a colon-separated list that is not empty. `directory` is the entry without its trailing slashes; the root stays "/". */
static struct bytes take_entry(struct bytes *list, struct bytes *directory) {
  const uint8_t *colon = memchr(list->data, ':', list->length);
  struct bytes entry = {list->data, colon == NULL ? list->length : (size_t)(colon - list->data)};
  bytes_skip(list, entry.length + 1);
  *directory = entry;
  while (directory->length > 1 && directory->data[directory->length - 1] == '/') directory->length--;
  return entry;
}

/* Takes the next directory off the list. False at its end. Skips empty and relative entries, whose meaning would depend on the caller. */
static bool take_directory(struct bytes *list, struct bytes *directory) {
  while (list->length > 0) {
    (void)take_entry(list, directory);
    if (directory->length > 0 && directory->data[0] == '/') return true;
  }
  return false;
}

void plugin_directories_allow(struct plugin_directories *directories, struct bytes list) {
  struct bytes directory;
  while (take_directory(&list, &directory)) {
    if (buffer_has_text(&directories->allowed, directory)) continue;
    buffer_append_bytes(&directories->allowed, directory);
    buffer_append_byte(&directories->allowed, 0);
  }
}

void plugin_directories_append(const struct plugin_directories *directories, struct buffer *list) {
  const struct buffer *allowed = &directories->allowed;
  for (size_t at = 0; at < allowed->length;) {
    const char *directory = (const char *)allowed->data + at;
    buffer_say(list, at == 0 ? "" : ":", directory);
    at += strlen(directory) + 1;
  }
}

bool plugin_directories_hold(const struct plugin_directories *directories, struct bytes list, struct bytes *foreign) {
  /* A trailing colon is an empty entry, which plugins take for their working directory. */
  bool ends_empty = list.length > 0 && list.data[list.length - 1] == ':';
  struct bytes directory;
  while (list.length > 0) {
    *foreign = take_entry(&list, &directory);
    if (!buffer_has_text(&directories->allowed, directory)) return false;
  }
  if (ends_empty) *foreign = list;
  return !ends_empty;
}

void plugin_directories_leave_out_own(struct plugin_directories *directories) {
  if (stat("/proc/self/exe", &directories->own) != 0) fail_errno(CNI_IO_FAILURE, "the plugin's own file (/proc/self/exe)", errno);
  directories->leaves_out_own = true;
}

static bool is_plugin_name(struct bytes plugin) {
  return plugin.length > 0 && memchr(plugin.data, '/', plugin.length) == NULL && !bytes_equal_text(plugin, ".") &&
         !bytes_equal_text(plugin, "..");
}

const char *plugin_find(const struct plugin_directories *directories, struct bytes plugin, struct bytes path, char **file,
                        struct stat *status, struct buffer *problem) {
  if (!is_plugin_name(plugin)) {
    buffer_print(problem, "\"%.*s\" is not the file name of a plugin", BYTES_TEXT(plugin));
    return "refused";
  }
  struct buffer searched = {0}, passed_over = {0}, candidate = {0};
  struct bytes directory;
  const char *error = "not-found";
  bool is_found = false;
  while (!is_found && take_directory(&path, &directory)) {
    bool allowed = buffer_has_text(&directories->allowed, directory);
    struct buffer *list = allowed ? &searched : &passed_over;
    buffer_print(list, "%s%.*s", list->length > 0 ? ", " : "", BYTES_TEXT(directory));
    if (!allowed) continue;
    candidate.length = 0;
    buffer_print(&candidate, "%.*s/%.*s", BYTES_TEXT(directory), BYTES_TEXT(plugin));
    const char *name = buffer_text(&candidate);
    is_found = stat(name, status) == 0 && S_ISREG(status->st_mode) && access(name, X_OK) == 0;
  }
  if (is_found && directories->leaves_out_own && file_is_same(status, &directories->own)) {
    buffer_print(problem, "%s is the Multus plugin itself: Multus cannot be a delegate of Multus", buffer_text(&candidate));
    error = "refused";
  } else if (is_found) {
    error = NULL;
    *file = bytes_copy_text(buffer_bytes(&candidate));
  } else {
    if (searched.length == 0 && passed_over.length > 0) error = "refused";
    buffer_print(problem, "no executable file \"%.*s\" in %s", BYTES_TEXT(plugin), searched.length > 0 ? buffer_text(&searched) : "any directory");
    if (passed_over.length > 0) {
      buffer_say(problem, " (passed over, as neither CNI_PATH nor binDir names them: ", buffer_text(&passed_over), ")");
    }
  }
  buffer_free(&searched);
  buffer_free(&passed_over);
  buffer_free(&candidate);
  return error;
}

void plugin_file_state(const struct stat *file, char state[PLUGIN_STATE_BYTES]) {
  state[0] = '\0';
  int64_t settled = clock_wall_micros() - SETTLED_AFTER;
  if (clock_micros_of(file->st_mtim) > settled || clock_micros_of(file->st_ctim) > settled) return;
  (void)snprintf(state, PLUGIN_STATE_BYTES, "%ju %ju %ju %ju %ju %ju %ju", (uintmax_t)file->st_dev, (uintmax_t)file->st_ino,
                 (uintmax_t)file->st_size, (uintmax_t)file->st_mtim.tv_sec, (uintmax_t)file->st_mtim.tv_nsec,
                 (uintmax_t)file->st_ctim.tv_sec, (uintmax_t)file->st_ctim.tv_nsec);
}
