/* The directories that plugins may be run from, and the search for a plugin's file. */
#include "exec/plugin_path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failure.h"

/* Takes the next directory off a colon-separated list, without its trailing slashes; the root stays "/".
 * False at the end of the list. Skips empty and relative entries, whose meaning would depend on the caller. */
static bool take_directory(struct bytes *list, struct bytes *directory) {
  while (list->length > 0) {
    const uint8_t *colon = memchr(list->data, ':', list->length);
    size_t length = colon == NULL ? list->length : (size_t)(colon - list->data);
    *directory = (struct bytes){list->data, length};
    size_t taken = colon == NULL ? length : length + 1;
    list->data += taken;
    list->length -= taken;
    while (directory->length > 1 && directory->data[directory->length - 1] == '/') directory->length--;
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
  while (list.length > 0) {
    const uint8_t *colon = memchr(list.data, ':', list.length);
    *foreign = (struct bytes){list.data, colon == NULL ? list.length : (size_t)(colon - list.data)};
    struct bytes directory = *foreign;
    while (directory.length > 1 && directory.data[directory.length - 1] == '/') directory.length--;
    if (!buffer_has_text(&directories->allowed, directory)) return false;
    if (colon == NULL) return true;
    list.data += foreign->length + 1;
    list.length -= foreign->length + 1;
    /* A trailing colon is an empty entry, which plugins take for their working directory. */
    if (list.length == 0) {
      *foreign = list;
      return false;
    }
  }
  return true;
}

void plugin_directories_leave_out_own(struct plugin_directories *directories) {
  struct stat own;
  if (stat("/proc/self/exe", &own) != 0) fail_errno(CNI_IO_FAILURE, "the plugin's own file (/proc/self/exe)", errno);
  directories->leaves_out_own = true;
  directories->own_device = own.st_dev;
  directories->own_inode = own.st_ino;
}

static bool is_own(const struct plugin_directories *directories, const struct stat *file) {
  return directories->leaves_out_own && file->st_dev == directories->own_device && file->st_ino == directories->own_inode;
}

static bool is_plugin_name(struct bytes plugin) {
  return plugin.length > 0 && memchr(plugin.data, '/', plugin.length) == NULL && !bytes_equal_text(plugin, ".") &&
         !bytes_equal_text(plugin, "..");
}

enum plugin_search plugin_find(const struct plugin_directories *directories, struct bytes plugin, struct bytes path,
                               char **file, struct stat *status, struct buffer *problem) {
  if (!is_plugin_name(plugin)) {
    buffer_say(problem, "\"");
    buffer_append_bytes(problem, plugin);
    buffer_say(problem, "\" is not the file name of a plugin");
    return PLUGIN_REFUSED;
  }
  struct buffer searched = {0}, passed_over = {0}, candidate = {0};
  struct bytes directory;
  enum plugin_search outcome = PLUGIN_NOT_FOUND;
  while (outcome == PLUGIN_NOT_FOUND && take_directory(&path, &directory)) {
    bool allowed = buffer_has_text(&directories->allowed, directory);
    struct buffer *list = allowed ? &searched : &passed_over;
    if (list->length > 0) buffer_say(list, ", ");
    buffer_append_bytes(list, directory);
    if (!allowed) continue;
    candidate.length = 0;
    buffer_append_bytes(&candidate, directory);
    buffer_say(&candidate, "/");
    buffer_append_bytes(&candidate, plugin);
    const char *name = buffer_text(&candidate);
    if (stat(name, status) == 0 && S_ISREG(status->st_mode) && access(name, X_OK) == 0) {
      if (is_own(directories, status)) {
        buffer_say(problem, name, " is the Multus plugin itself: Multus cannot be a delegate of Multus");
        outcome = PLUGIN_REFUSED;
        break;
      }
      outcome = PLUGIN_FOUND;
      *file = bytes_copy_text((struct bytes){candidate.data, candidate.length});
    }
  }
  if (outcome == PLUGIN_NOT_FOUND) {
    if (searched.length == 0 && passed_over.length > 0) outcome = PLUGIN_REFUSED;
    buffer_say(problem, "no executable file \"");
    buffer_append_bytes(problem, plugin);
    buffer_say(problem, "\" in ", searched.length > 0 ? buffer_text(&searched) : "any directory");
    if (passed_over.length > 0) {
      buffer_say(problem, " (passed over, as neither CNI_PATH nor binDir names them: ", buffer_text(&passed_over), ")");
    }
  }
  buffer_free(&searched);
  buffer_free(&passed_over);
  buffer_free(&candidate);
  return outcome;
}
