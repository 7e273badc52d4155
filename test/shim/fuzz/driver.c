/* Runs the shim's decoders over bytes, under sanitizers, where there is no libFuzzer (see libfuzzer.c).
 *
 * fuzz-shim targets                                  prints the names of all targets
 * fuzz-shim loop TARGET SEED MILLISECONDS [FILE]     mutated seeds until the time is over; prints how many. An input that fails is written to FILE, and said on
 *                                                    stderr in base64. TARGET "all": every target in turn
 * fuzz-shim run TARGET FILE                          one input
 * fuzz-shim describe frames|orders|netconf|spool-name  reads inputs from stdin, each behind its length in four bytes, big-endian; prints a line for each
 *                                                    (readers.h says which) */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "readers.h"
#include "target.h"

enum {
  /* Seconds of processor time that one input may take: the largest ones that are made here need microseconds. */
  PATIENCE = 10,
  LARGEST = 64 * 1024,
  ROUNDS_BETWEEN_LOOKS = 64,
};

/* From the sanitizers' runtime: called before it ends the process. */
void __sanitizer_set_death_callback(void (*callback)(void));

static uint64_t random_state;

static uint64_t random_number(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static size_t random_below(size_t limit) { return limit == 0 ? 0 : (size_t)(random_number() % limit); }

/* The present run, for the report of a failure. */
static struct {
  const struct target *target;
  struct bytes input;
  const char *seed;
  const char *file;
  volatile unsigned ticks;
} now;

static void say_base64(struct bytes input) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < input.length; i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; j++) group = group << 8 | (i + j < input.length ? input.data[i + j] : 0u);
    for (size_t j = 0; j < 4; j++) (void)fputc(i + j > input.length ? '=' : digits[group >> (18 - 6 * j) & 63], stderr);
  }
}

static void say_failure(void) {
  if (now.target == NULL) return;
  (void)fprintf(stderr, "\nFAILED %s, seed %s, input (base64): ", now.target->name, now.seed);
  say_base64(now.input);
  (void)fputc('\n', stderr);
  FILE *file = now.file == NULL ? NULL : fopen(now.file, "w");
  if (file != NULL) {
    (void)fwrite(now.input.data, 1, now.input.length, file);
    (void)fclose(file);
    (void)fprintf(stderr, "input in %s\n", now.file);
  }
  now.target = NULL;
}

static void count_tick(int number) {
  (void)number;
  if (++now.ticks < PATIENCE || now.target == NULL) return;
  (void)fprintf(stderr, "one input takes longer than %d s of processor time\n", PATIENCE);
  say_failure();
  _exit(1);
}

static void watch(void) {
  struct itimerval every = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};
  struct sigaction action = {.sa_handler = count_tick};
  target_failing = say_failure;
  __sanitizer_set_death_callback(say_failure);
  if (sigaction(SIGPROF, &action, NULL) != 0 || setitimer(ITIMER_PROF, &every, NULL) != 0) abort();
}

/* The input in a block of exactly its size, so that one byte too far is seen. */
static void check_copy(const struct target *target, const struct buffer *input) {
  uint8_t *exact = memory_take(input->length);
  if (input->length > 0) memcpy(exact, input->data, input->length);
  now.input = (struct bytes){exact, input->length};
  now.ticks = 0;
  now.target = target;
  target->check(now.input);
  now.target = NULL;
  free(exact);
}

/* One random change somewhere in `input`. */
static void mutate(struct buffer *input) {
  static const uint8_t telling[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc9, 0xcf, 0xd3,
                                    0xd4, 0xd8, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, '"',  '\\', '{',  '}',  'u',  ':',  '=',  ';',  '/',  '.',  '-'};
  if (input->length == 0) return;
  size_t at = random_below(input->length);
  size_t span = 1 + random_below(input->length - at < 16 ? input->length - at : 16);
  if (span > input->length - at) span = input->length - at;
  struct buffer copy = {0};
  switch (random_below(6)) {
    case 0:
      input->data[at] ^= (uint8_t)(1u << random_below(8));
      break;
    case 1:
      input->data[at] = telling[random_below(sizeof telling)];
      break;
    case 2:
      memmove(input->data + at, input->data + at + span, input->length - at - span);
      input->length -= span;
      break;
    case 3: /* the span twice */
      buffer_append(&copy, input->data + at, input->length - at);
      input->length = at + span;
      buffer_append(input, copy.data, copy.length);
      buffer_free(&copy);
      break;
    case 4:
      for (size_t i = 0; i < span; i++) input->data[at + i] = (uint8_t)random_number();
      break;
    default:
      input->length = at;
      break;
  }
}

static void check_mutated(const struct target *target, struct buffer *input) {
  input->length = 0;
  target->seed(input, random_number() % 65521);
  for (size_t changes = random_below(6); changes > 0; changes--) mutate(input);
  /* Mostly a length and checksum that are right, so that what is behind them is reached. */
  if (target->fit != NULL && random_below(8) != 0) target->fit(input);
  if (input->length <= LARGEST) check_copy(target, input);
}

/* The sequence of inputs depends on the seed alone, so a failure comes again with it. */
static void loop(const char *name, int64_t milliseconds) {
  const struct target *only = target_find(name);
  int64_t end = clock_micros() + milliseconds * MICROS_PER_MILLI;
  uint64_t rounds = 0;
  struct buffer input = {0};
  while (rounds % ROUNDS_BETWEEN_LOOKS != 0 || clock_micros() < end) {
    check_mutated(only == NULL ? targets[rounds % target_count] : only, &input);
    rounds++;
  }
  buffer_free(&input);
  printf("%" PRIu64 " runs\n", rounds);
}

static void read_input(FILE *file, struct buffer *input) {
  size_t length;
  do {
    buffer_reserve(input, 65536);
    length = fread(input->data + input->length, 1, input->capacity - input->length, file);
    input->length += length;
  } while (length > 0);
}

/* One line for each input of a stream, at once: a test that compares waits for it. */
static void describe_inputs(void (*describe)(struct bytes, struct buffer *)) {
  uint8_t head[4];
  struct buffer line = {0};
  while (fread(head, 1, sizeof head, stdin) == sizeof head) {
    size_t length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    uint8_t *input = memory_take(length);
    if (fread(input, 1, length, stdin) != length) abort();
    line.length = 0;
    describe((struct bytes){input, length}, &line);
    printf("%s\n", buffer_text(&line));
    (void)fflush(stdout);
    free(input);
  }
  buffer_free(&line);
}

static const struct {
  const char *name;
  void (*describe)(struct bytes, struct buffer *);
} readers[] = {{"frames", frames_describe}, {"orders", orders_describe}, {"netconf", netconf_describe}, {"spool-name", spool_name_describe}};

static int run_file(const struct target *target, const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    perror(path);
    return 2;
  }
  struct buffer input = {0};
  read_input(file, &input);
  (void)fclose(file);
  check_copy(target, &input);
  buffer_free(&input);
  printf("it passes\n");
  return 0;
}

int main(int count, char **values) {
  const char *command = count > 1 ? values[1] : "";
  bool is_loop = (count == 5 || count == 6) && strcmp(command, "loop") == 0;
  bool is_run = count == 4 && strcmp(command, "run") == 0;
  if (is_loop || is_run) {
    const struct target *target = target_find(values[2]);
    if (target == NULL && !(is_loop && strcmp(values[2], "all") == 0)) {
      fprintf(stderr, "no target %s; fuzz-shim targets prints them\n", values[2]);
      return 2;
    }
    now.seed = is_loop ? values[3] : "none";
    now.file = count == 6 ? values[5] : NULL;
    watch();
    if (is_run) return run_file(target, values[3]);
    random_state = strtoull(values[3], NULL, 10) * 2 + 1;
    loop(values[2], strtoll(values[4], NULL, 10));
    return 0;
  }
  if (count == 2 && strcmp(command, "targets") == 0) {
    for (size_t i = 0; i < target_count; i++) printf("%s\n", targets[i]->name);
    return 0;
  }
  if (count == 3 && strcmp(command, "describe") == 0) {
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
      if (strcmp(values[2], readers[i].name) != 0) continue;
      describe_inputs(readers[i].describe);
      return 0;
    }
  }
  fprintf(stderr, "usage: fuzz-shim targets | loop TARGET|all SEED MILLISECONDS [FILE] | run TARGET FILE | describe READER\n");
  return 2;
}
