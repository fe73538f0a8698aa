/* Vectors of LANES numbers in the compiler's vector types, without intrinsics. */

#include <stdint.h>
#include <stdlib.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef float quad __attribute__((vector_size(16), may_alias));

/* The same, unaligned. */
typedef float some_floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t some_ints __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec choose(ints condition, vec yes, vec no)
{
    return (vec)(((ints)yes & condition) | ((ints)no & ~condition));
}

/* A permutation of the lanes of two vectors; `order` must be a compile-time constant. */
INLINE vec shuffle(vec first, vec second, ints order)
{
#ifdef __clang__
    vec result;
    for (int i = 0; i < LANES; i++)
        result[i] = order[i] < LANES ? first[order[i]] : second[order[i] - LANES];
    return result;
#else
    return __builtin_shuffle(first, second, order);
#endif
}

INLINE vec real(ints numbers) { return __builtin_convertvector(numbers, vec); }

/* Sum over the lanes. */
INLINE float total(const vec *values)
{
    const quad *parts = (const quad *)values;
    quad sum = parts[0] + parts[1];
    for (int i = 2; i < LANES / 4; i++)
        sum += parts[i];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

/* A number of floats, rounded up to full vectors. */
INLINE long round_up(long floats) { return (floats + LANES - 1) / LANES * LANES; }

INLINE float *allocate(long floats)
{
    return aligned_alloc(sizeof(vec), round_up(floats + 1) * sizeof(float));
}
