/* The decoders of the shim for libFuzzer (clang -fsanitize=fuzzer): FUZZ_TARGET in the environment names one; FUZZ_SEEDS=DIRECTORY writes its seeds there first. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

enum { SEEDS = 60 };

int LLVMFuzzerInitialize(int *count, char ***values);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static const struct target *target;

static void write_seeds(const char *directory) {
  for (uint64_t which = 0; which < SEEDS; which++) {
    struct buffer seed = {0}, path = {0};
    buffer_say(&path, directory, "/seed-");
    buffer_print(&path, "%ju", (uintmax_t)which);
    target->seed(&seed, which);
    FILE *file = fopen(buffer_text(&path), "w");
    if (file == NULL || fwrite(seed.data, 1, seed.length, file) != seed.length || fclose(file) != 0) {
      perror(buffer_text(&path));
      exit(2);
    }
    buffer_free(&seed);
    buffer_free(&path);
  }
}

int LLVMFuzzerInitialize(int *count, char ***values) {
  (void)count;
  (void)values;
  const char *name = getenv("FUZZ_TARGET"), *seeds = getenv("FUZZ_SEEDS");
  target = name == NULL ? NULL : target_find(name);
  if (target == NULL) {
    (void)fprintf(stderr, "FUZZ_TARGET names no decoder\n");
    exit(2);
  }
  if (seeds != NULL) write_seeds(seeds);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  target->check((struct bytes){data, size});
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  /* Mostly a length and checksum that are right, so that what is behind them is reached. */
  if (target->fit == NULL || seed % 8 == 0) return size;
  struct buffer input = {0};
  buffer_append(&input, data, size);
  target->fit(&input);
  if (input.length > 0) memcpy(data, input.data, input.length);
  size = input.length;
  buffer_free(&input);
  return size;
}
