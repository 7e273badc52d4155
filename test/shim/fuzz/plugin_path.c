/* Target: the directories that orders may use, and the file that a plugin's name means (shim/exec/plugin_path.c). The input: allowed list, order's path,
 * plugin, with zero bytes between them, as the decoder of orders lets no zero byte through. */
#include "exec/plugin_path.h"

#include <stdlib.h>
#include <string.h>

#include "target.h"

static void seed(struct buffer *out, uint64_t which) {
  static const char *const plugins[] = {"bridge", "..", "sh", "../sh", "", "true"};
  static const char *const paths[] = {"/opt/cni/bin:/usr/bin//::relative:/", "/usr/bin", "/usr/bin/..:/", ":", "//:/bin///"};
  buffer_say(out, which % 2 == 0 ? "/opt/cni/bin:/usr/bin/" : "/:/bin");
  buffer_append_byte(out, 0);
  buffer_say(out, paths[which / 2 % 5]);
  buffer_append_byte(out, 0);
  buffer_say(out, plugins[which / 10 % 6]);
}

static void check(struct bytes input) {
  struct bytes list = take_piece(&input), path = take_piece(&input), plugin = take_piece(&input);
  struct plugin_directories directories = {0};
  struct buffer problem = {0};
  char *file = NULL;
  struct stat status;
  plugin_directories_allow(&directories, list);
  const char *error = plugin_find(&directories, plugin, path, &file, &status, &problem);
  if (error == NULL) {
    /* One of the allowed directories, as it is written there, and behind it the name, without a slash. */
    size_t length = strlen(file), directory_length = length - plugin.length - 1;
    bool is_allowed = false;
    for (size_t at = 0; at < directories.allowed.length; at += strlen((char *)directories.allowed.data + at) + 1) {
      const char *directory = (char *)directories.allowed.data + at;
      MUST(directory[0] == '/');
      if (strlen(directory) == directory_length && strncmp(directory, file, directory_length) == 0) is_allowed = true;
    }
    MUST(is_allowed && file[directory_length] == '/' && strcmp(strrchr(file, '/') + 1, "..") != 0);
    MUST(memcmp(file + directory_length + 1, plugin.data, plugin.length) == 0 && memchr(plugin.data, '/', plugin.length) == NULL);
    free(file);
  } else {
    MUST(problem.length > 0 && problem.length < 4 * (path.length + plugin.length) + 200);
  }
  buffer_free(&directories.allowed);
  buffer_free(&problem);
}

const struct target target_plugin_path = {.name = "plugin-path", .seed = seed, .check = check};
