/* Runs a saved network through the C interface. */
#include <etch/rt.h>
#include <stdio.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, etch_last_error());
  return 1;
}

int main(int argc, char** argv) {
  const float x[6] = {1, 2, 3, 4, 5, 6};
  const int64_t sizes[2] = {2, 3};
  float y[4];
  size_t i;
  etch_input in;
  etch_output out;
  etch_program* program = NULL;
  etch_state* state = NULL;
  etch_context* context = NULL;

  if (argc != 2) return 2;
  if (etch_program_load("no such file", &program) == ETCH_OK) return 1;
  if (etch_program_load(argv[1], &program) != ETCH_OK) return failed("load");
  if (etch_state_create(program, &state) != ETCH_OK) return failed("state");
  if (etch_context_create(program, &context) != ETCH_OK) return failed("context");

  in.data = x;
  in.dtype = ETCH_F32;
  in.rank = 2;
  in.sizes = sizes;
  in.strides = NULL;
  out.data = y;
  out.bytes = sizeof y;
  if (etch_run(program, state, context, &in, 1, &out, 1) != ETCH_OK) return failed("run");
  for (i = 0; i < 4; ++i) printf("%a\n", (double)y[i]);

  etch_context_free(context);
  etch_state_free(state);
  etch_program_free(program);
  return 0;
}
