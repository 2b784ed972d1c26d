/* The C interface of the Etch runtime (libetch_rt): load a program, run it, keep its state.
 *
 *   etch_program* program;
 *   if (etch_program_load("net.etch", &program) != ETCH_OK) puts(etch_last_error());
 *   etch_state* state;      etch_state_create(program, &state);
 *   etch_context* context;  etch_context_create(program, &context);
 *   etch_run(program, state, context, inputs, 1, outputs, 1);
 *
 * A program is immutable: any number of threads may use one. A state may be shared by runs that
 * only read it; a run or call that writes needs it alone, and fails otherwise. A context belongs to
 * one call at a time. Handles may be freed in any order. No function throws or aborts; files and
 * sizes are checked, machine code in files is not used. C99.
 */
#ifndef ETCH_RT_H
#define ETCH_RT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ETCH_API __attribute__((visibility("default")))
#else
#define ETCH_API
#endif

/* Grows when functions are added; a change of meaning changes the library's soname. */
#define ETCH_RT_API 1
#define ETCH_MAX_RANK 16

typedef struct etch_program etch_program;
typedef struct etch_state etch_state;
typedef struct etch_context etch_context;

typedef enum etch_status {
  ETCH_OK = 0,
  ETCH_USAGE = 2,       /* an argument does not fit; etch_last_error() says which */
  ETCH_UNREADABLE = 3,  /* a file is missing, damaged or not supported */
  ETCH_UNAVAILABLE = 4, /* out of memory, or a permission or device is missing */
  ETCH_INTERNAL = 5     /* a bug in Etch */
} etch_status;

/* Element types; the numbers never change. */
typedef enum etch_dtype {
  ETCH_BOOL = 0, /* one byte, 0 or 1 */
  ETCH_U8 = 1,
  ETCH_I8 = 2,
  ETCH_U16 = 3,
  ETCH_I16 = 4,
  ETCH_U32 = 5,
  ETCH_I32 = 6,
  ETCH_U64 = 7,
  ETCH_I64 = 8,
  ETCH_F32 = 11,
  ETCH_F64 = 12
} etch_dtype;

/* A tensor in the caller's memory. `strides` counts elements; NULL means row-major without gaps. */
typedef struct etch_input {
  const void* data;
  etch_dtype dtype;
  int32_t rank;
  const int64_t* sizes;
  const int64_t* strides;
} etch_input;

/* Room for one result, row-major; apart from inputs and other outputs. */
typedef struct etch_output {
  void* data;
  size_t bytes;
} etch_output;

/* What a program takes and gives. */
typedef enum etch_port_kind { ETCH_INPUT = 0, ETCH_OUTPUT = 1, ETCH_STATE = 2 } etch_port_kind;

/* One of them. Pointers live as long as the program. */
typedef struct etch_port {
  const char* name;
  etch_dtype dtype;
  int32_t rank;
  const int64_t* sizes;    /* -1 where a size differs from call to call */
  const char* const* dims; /* every size as text: "64", "N", "2*N + 1" */
} etch_port;

/* Versions: of this interface (ETCH_RT_API of the library), and of Etch as text. */
ETCH_API int etch_rt_api(void);
ETCH_API const char* etch_rt_version(void);

/* What went wrong in this thread's last failing call; "" before the first. */
ETCH_API const char* etch_last_error(void);

/* Threads that one call may use, 1 to 1024. Results do not depend on it. */
ETCH_API etch_status etch_set_num_threads(int count);

/* Programs. The memory of the second form may be freed after the call. A program that was saved at
 * level fast runs its contractions in oneDNN where the module etch_onednn.so is present. */
ETCH_API etch_status etch_program_load(const char* path, etch_program** out);
ETCH_API etch_status etch_program_load_from_memory(const void* data, size_t bytes,
                                                   etch_program** out);
/* Writes the program with `state` (NULL: the one it was loaded with), to go on from there later. */
ETCH_API etch_status etch_program_save(const etch_program* program, const etch_state* state,
                                       const char* path);
ETCH_API void etch_program_free(etch_program* program);
ETCH_API size_t etch_program_count(const etch_program* program, etch_port_kind kind);
ETCH_API etch_status etch_program_port(const etch_program* program, etch_port_kind kind,
                                       size_t index, etch_port* out);

/* State: the named tensors that a program keeps between runs; starts as stored in the file. */
ETCH_API etch_status etch_state_create(const etch_program* program, etch_state** out);
ETCH_API etch_status etch_state_clone(const etch_state* state, etch_state** out);
ETCH_API void etch_state_free(etch_state* state);
/* safetensors files with the state's names, element types and sizes. */
ETCH_API etch_status etch_state_save(const etch_state* state, const char* path);
ETCH_API etch_status etch_state_load(etch_state* state, const char* path);
/* Copies in. */
ETCH_API etch_status etch_state_set(etch_state* state, const char* name, const etch_input* value);
/* Type and sizes (room for ETCH_MAX_RANK of them); any pointer may be NULL. */
ETCH_API etch_status etch_state_info(const etch_state* state, const char* name, etch_dtype* dtype,
                                     int32_t* rank, int64_t* sizes, size_t* bytes);
/* Copies out; `bytes` is the room at `data`. */
ETCH_API etch_status etch_state_get(const etch_state* state, const char* name, void* data,
                                    size_t bytes);

/* The memory of calls. Kept from call to call: calls no larger than earlier ones allocate nothing.
 */
ETCH_API etch_status etch_context_create(const etch_program* program, etch_context** out);
ETCH_API void etch_context_free(etch_context* context);

/* Fixes the sizes of a call without running it. `state` may be NULL when the program has none. */
ETCH_API etch_status etch_bind(const etch_program* program, const etch_state* state,
                               etch_context* context, const etch_input* inputs, size_t input_count);
/* Of output `index` in the last bind or run: sizes (as many as its rank) and bytes; either may be
 * NULL. */
ETCH_API etch_status etch_output_size(const etch_context* context, size_t index, int64_t* sizes,
                                      size_t* bytes);

/* Runs. After an error the state is what it was; outputs may hold anything. */
ETCH_API etch_status etch_run(const etch_program* program, etch_state* state, etch_context* context,
                              const etch_input* inputs, size_t input_count,
                              const etch_output* outputs, size_t output_count);

#ifdef __cplusplus
}
#endif

#endif /* ETCH_RT_H */
