/* Vectors of LANES numbers, in the compiler's own types: no intrinsics. */

#include <stdint.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));

/* The same, anywhere in memory. */
typedef float some_floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t some_ints __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec choose(ints condition, vec yes, vec no)
{
    return (vec)(((ints)yes & condition) | ((ints)no & ~condition));
}

INLINE vec real(ints numbers) { return __builtin_convertvector(numbers, vec); }
