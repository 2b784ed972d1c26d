/* Uses the runtime from C99. Returns 0, or the line that found something wrong. */
#include <string.h>

#include "etch/rt.h"

#define EXPECT(condition)              \
  do {                                 \
    if (!(condition)) return __LINE__; \
  } while (0)

/* The file holds a counter program: y = x + steps, steps = steps + 1, x : f32[N, 2]. */
int etch_c99_test(const char* path, const char* saved_path, const char* weights_path) {
  etch_program* program = NULL;
  etch_state *state = NULL, *other = NULL;
  etch_context* context = NULL;
  etch_port port;
  float x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {0}, steps = 0;
  int64_t sizes[2] = {3, 2}, got[ETCH_MAX_RANK], strides[2] = {1, 3};
  size_t bytes = 0;
  int32_t rank = -1;
  etch_dtype dtype = ETCH_BOOL;
  etch_input in = {0};
  etch_output out = {0};
  in.data = x;
  in.dtype = ETCH_F32;
  in.rank = 2;
  in.sizes = sizes;
  out.data = y;
  out.bytes = sizeof y;

  EXPECT(etch_rt_api() == ETCH_RT_API && etch_rt_version()[0] != '\0');
  EXPECT(etch_program_load("/nowhere/net.etch", &program) == ETCH_UNREADABLE && program == NULL);
  EXPECT(strstr(etch_last_error(), "/nowhere/net.etch") != NULL);
  EXPECT(etch_program_load(NULL, &program) == ETCH_USAGE);
  EXPECT(etch_program_load_from_memory("junk", 4, &program) == ETCH_UNREADABLE);
  EXPECT(etch_program_load(path, &program) == ETCH_OK);

  EXPECT(etch_program_count(program, ETCH_INPUT) == 1);
  EXPECT(etch_program_count(program, ETCH_OUTPUT) == 1);
  EXPECT(etch_program_count(program, ETCH_STATE) == 1);
  EXPECT(etch_program_port(program, ETCH_INPUT, 0, &port) == ETCH_OK);
  EXPECT(strcmp(port.name, "x") == 0 && port.dtype == ETCH_F32 && port.rank == 2);
  EXPECT(port.sizes[0] == -1 && port.sizes[1] == 2 && strcmp(port.dims[0], "N") == 0);
  EXPECT(etch_program_port(program, ETCH_OUTPUT, 1, &port) == ETCH_USAGE);

  EXPECT(etch_state_create(program, &state) == ETCH_OK);
  EXPECT(etch_context_create(program, &context) == ETCH_OK);
  EXPECT(etch_output_size(context, 0, got, &bytes) == ETCH_USAGE);
  EXPECT(etch_bind(program, state, context, &in, 1) == ETCH_OK);
  EXPECT(etch_output_size(context, 0, got, &bytes) == ETCH_OK);
  EXPECT(got[0] == 3 && got[1] == 2 && bytes == sizeof y);

  EXPECT(etch_run(program, state, context, &in, 1, &out, 1) == ETCH_OK);
  EXPECT(y[0] == 1 && y[5] == 6);
  EXPECT(etch_state_clone(state, &other) == ETCH_OK);
  in.strides = strides; /* columns of three */
  EXPECT(etch_run(program, state, context, &in, 1, &out, 1) == ETCH_OK);
  EXPECT(y[0] == 2 && y[1] == 5 && y[2] == 3 && y[5] == 7);
  in.strides = NULL;
  EXPECT(etch_state_get(state, "steps", &steps, sizeof steps) == ETCH_OK && steps == 2);
  EXPECT(etch_state_get(other, "steps", &steps, sizeof steps) == ETCH_OK && steps == 1);
  EXPECT(etch_state_info(state, "steps", &dtype, &rank, got, &bytes) == ETCH_OK);
  EXPECT(dtype == ETCH_F32 && rank == 0 && bytes == 4);
  EXPECT(etch_state_get(state, "nothing", &steps, 4) == ETCH_USAGE);

  sizes[1] = 3;
  EXPECT(etch_run(program, state, context, &in, 1, &out, 1) == ETCH_USAGE);
  EXPECT(strstr(etch_last_error(), "input 'x' axis 1: expected 2, got 3") != NULL);
  sizes[1] = 2;
  out.bytes = 4;
  EXPECT(etch_run(program, state, context, &in, 1, &out, 1) == ETCH_USAGE);
  out.bytes = sizeof y;
  EXPECT(etch_run(program, NULL, context, &in, 1, &out, 1) == ETCH_USAGE);
  EXPECT(etch_run(NULL, state, context, &in, 1, &out, 1) == ETCH_USAGE);
  EXPECT(etch_run(program, state, context, NULL, 1, &out, 1) == ETCH_USAGE);
  EXPECT(etch_state_get(state, "steps", &steps, sizeof steps) == ETCH_OK && steps == 2);

  EXPECT(etch_state_save(state, weights_path) == ETCH_OK);
  EXPECT(etch_state_load(other, weights_path) == ETCH_OK);
  EXPECT(etch_state_get(other, "steps", &steps, sizeof steps) == ETCH_OK && steps == 2);
  EXPECT(etch_program_save(program, state, saved_path) == ETCH_OK);
  etch_state_free(other);
  etch_program_free(program);
  EXPECT(etch_program_load(saved_path, &program) == ETCH_OK);
  EXPECT(etch_state_create(program, &other) == ETCH_OK);
  EXPECT(etch_state_get(other, "steps", &steps, sizeof steps) == ETCH_OK && steps == 2);
  in.rank = 0;
  in.sizes = NULL;
  steps = 40;
  in.data = &steps;
  EXPECT(etch_state_set(other, "steps", &in) == ETCH_OK);
  steps = 0;
  EXPECT(etch_state_get(other, "steps", &steps, sizeof steps) == ETCH_OK && steps == 40);

  etch_context_free(context);
  etch_state_free(state);
  etch_state_free(other);
  etch_program_free(program);
  etch_program_free(NULL);
  return 0;
}
