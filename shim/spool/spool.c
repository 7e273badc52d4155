/* What becomes of a DEL that no daemon has answered, or that fails again and again (docs/wire.md, "DELs while no daemon is there"). */
#include "spool/spool.h"

#include <string.h>

#include "base/failure.h"
#include "base/notice.h"
#include "spool/spool_directory.h"
#include "spool/spool_write.h"

void spool_take_setting(struct spool_settings *settings, struct bytes del_on_daemon_down) {
  /* The daemon refuses any other word. A DEL that meets one all the same must not be lost, and must not hang. */
  settings->del_on_daemon_down = bytes_equal_text(del_on_daemon_down, "fail")     ? DEL_FAILS
                                 : bytes_equal_text(del_on_daemon_down, "ignore") ? DEL_IGNORED
                                                                                  : DEL_SPOOLED;
}

bool spool_stands_for(const struct spool_settings *settings, const struct request *request) {
  return strcmp(request->command, "DEL") == 0 && settings->del_on_daemon_down != DEL_FAILS;
}

int spool_stand_in(const struct spool_settings *settings, const struct request *request, const char *problem) {
  if (settings->del_on_daemon_down == DEL_IGNORED) {
    notice(problem, "; this DEL is ignored, as delOnDaemonDown of the network configuration says");
    return 0;
  }
  struct buffer place = {0}, obstacle = {0}, details = {0};
  int exit_code = 0;
  spool_directory_path(settings->cni_dir, &place);
  if (spool_write(settings->cni_dir, request, 0, &obstacle)) {
    notice(problem, "; this DEL is recorded in ", buffer_text(&place), ", and replayed when the daemon is there");
  } else {
    buffer_say(&details, "The DEL cannot be recorded in ", buffer_text(&place), " either: ", buffer_text(&obstacle));
    exit_code = print_failure(CNI_TRY_AGAIN_LATER, problem, buffer_text(&details));
  }
  buffer_free(&place);
  buffer_free(&obstacle);
  buffer_free(&details);
  return exit_code;
}

bool spool_take_failed(const struct spool_settings *settings, const struct request *request) {
  struct buffer place = {0}, obstacle = {0};
  spool_directory_path(settings->cni_dir, &place);
  bool recorded = spool_write(settings->cni_dir, request, 1, &obstacle);
  if (recorded) {
    notice("this DEL has failed and is recorded in ", buffer_text(&place), ": it is tried again in the background, and the daemon's log says why it fails");
  } else {
    notice("this DEL has failed and cannot be recorded in ", buffer_text(&place), ": ", buffer_text(&obstacle));
  }
  buffer_free(&place);
  buffer_free(&obstacle);
  return recorded;
}
