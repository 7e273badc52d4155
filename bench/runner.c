/* Runs one program at a time for the benchmarks and prints its duration, from just before the spawn to its end.
 * A process started by Node costs 3 to 4 ms more than one started here, which would hide what is measured.
 *
 * stdin, repeated:  "<argv0> <number of environment strings> <bytes of stdin>\n", then the environment strings, each
 *                   ended by a zero byte, then the bytes for the program's stdin.
 * stdout, for each: "<exit code> <wall nanoseconds> <CPU microseconds> <processes> <bytes>\n", then what it printed.
 * CPU is that of the program and of all that it waited for. Processes are all that the machine started meanwhile, threads too: the fewest of many
 * runs are the program's.
 * The program's stderr is ours. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
  perror(what);
  exit(2);
}

static void *grown(void *memory, size_t size) {
  void *more = realloc(memory, size);
  if (more == NULL) die("realloc");
  return more;
}

static int64_t nanoseconds(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) die("clock_gettime");
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct rusage children_usage(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_CHILDREN, &usage) != 0) die("getrusage");
  return usage;
}

static int64_t cpu_microseconds(const struct rusage *usage) {
  return ((int64_t)usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 + usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
}

/* The number that the newest process or thread got: the last word of /proc/loadavg (proc(5)). */
static int64_t newest_process(void) {
  char text[128];
  int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
  if (fd < 0) die("/proc/loadavg");
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) die("/proc/loadavg");
  text[length] = '\0';
  const char *last = strrchr(text, ' ');
  return last == NULL ? 0 : strtoll(last, NULL, 10);
}

static void read_exactly(char *into, size_t length) {
  if (length > 0 && fread(into, 1, length, stdin) != length) die("short input");
}

/* Feeds `input`, collects what the program prints, waits for it. Pipes are small: both directions at once. */
static int run(const char *program, char **environment, const char *input, size_t input_length, char **output, size_t *output_length) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) die("pipe2");
  char *const arguments[] = {(char *)program, NULL};
  pid_t child = vfork();
  if (child < 0) die("vfork");
  if (child == 0) {
    signal(SIGPIPE, SIG_DFL);
    if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0) _exit(126);
    execve(program, arguments, environment);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  size_t written = 0, capacity = 0;
  int input_fd = in[1];
  *output_length = 0;
  for (;;) {
    if (input_fd >= 0 && written == input_length) {
      close(input_fd);
      input_fd = -1;
    }
    struct pollfd fds[2] = {{.fd = out[0], .events = POLLIN}, {.fd = input_fd, .events = POLLOUT}};
    if (poll(fds, 2, -1) < 0) die("poll");
    if (fds[1].revents != 0) {
      ssize_t n = write(input_fd, input + written, input_length - written);
      if (n < 0) { /* the program does not read it all: its right */
        close(input_fd);
        input_fd = -1;
      } else {
        written += (size_t)n;
      }
    }
    if (fds[0].revents != 0) {
      if (capacity - *output_length < 65536) *output = grown(*output, capacity += 262144);
      ssize_t n = read(out[0], *output + *output_length, capacity - *output_length);
      if (n < 0) die("read");
      if (n == 0) break;
      *output_length += (size_t)n;
    }
  }
  if (input_fd >= 0) close(input_fd);
  close(out[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child) die("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(void) {
  char program[4096];
  size_t variables, input_length;
  signal(SIGPIPE, SIG_IGN);
  while (scanf("%4095s %zu %zu", program, &variables, &input_length) == 3) {
    if (getchar() != '\n') die("header");
    char **environment = grown(NULL, (variables + 1) * sizeof *environment);
    for (size_t i = 0; i < variables; i++) {
      size_t room = 0;
      environment[i] = NULL;
      if (getdelim(&environment[i], &room, 0, stdin) < 0) die("environment");
    }
    environment[variables] = NULL;
    char *input = grown(NULL, input_length + 1);
    read_exactly(input, input_length);
    char *output = NULL;
    size_t output_length = 0;
    const int64_t newest = newest_process();
    const struct rusage before = children_usage();
    const int64_t start = nanoseconds();
    int code = run(program, environment, input, input_length, &output, &output_length);
    const int64_t wall = nanoseconds() - start;
    const struct rusage after = children_usage();
    const int64_t processes = newest_process() - newest; /* negative where the numbers began again */
    printf("%d %lld %lld %lld %zu\n", code, (long long)wall, (long long)(cpu_microseconds(&after) - cpu_microseconds(&before)),
           (long long)processes, output_length);
    fwrite(output, 1, output_length, stdout);
    if (fflush(stdout) != 0) die("stdout");
    for (size_t i = 0; i < variables; i++) free(environment[i]);
    free(environment);
    free(input);
    free(output);
  }
  return 0;
}
