/* Pairs of bfloat16 in place of floats: two products in the time of one, accumulated in float32.
   AVX-512 BF16 needs intrinsics, the only ones here; elsewhere, plain code does the same, slowly. */

#include "lanes.h"

/* Rounds to nearest, ties to even. */
INLINE uint16_t to_bfloat16(float value)
{
    union { float value; uint32_t bits; } v = {value};
    return value == value ? (v.bits + 0x7fff + (v.bits >> 16 & 1)) >> 16 : 0x7fc0;
}

#ifdef __AVX512BF16__
#include <immintrin.h>

enum { FAST_PAIRS = 1 };

/* Interleaves the values of two vectors, rounded to bfloat16. */
INLINE vec pair(vec first, vec second)
{
    typedef int16_t shorts __attribute__((vector_size(4 * LANES)));
    shorts order;
    for (int i = 0; i < 2 * LANES; i++)
        order[i] = i / 2 + i % 2 * LANES;
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
    return (vec)_mm512_permutexvar_epi16((__m512i)order, both);
}

/* sum + both products of each pair. */
INLINE vec add_products(vec sum, vec a, vec b)
{
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
#else
enum { FAST_PAIRS = 0 };

INLINE vec pair(vec first, vec second)
{
    words pairs;
    for (int i = 0; i < LANES; i++)
        pairs[i] = to_bfloat16(first[i]) | (uint32_t)to_bfloat16(second[i]) << 16;
    return (vec)pairs;
}

INLINE vec add_products(vec sum, vec a, vec b)
{
    const words upper = (words){0} + 0xffff0000;
    sum += (vec)((words)a << 16) * (vec)((words)b << 16);
    return sum + (vec)((words)a & upper) * (vec)((words)b & upper);
}
#endif

/* sum + a * b, for floats or pairs. */
INLINE vec multiply_add(vec sum, vec a, vec b, const int pairs)
{
    return pairs ? add_products(sum, a, b) : sum + a * b;
}

/* The same 32 bits in all lanes. */
INLINE vec broadcast(const float *value)
{
    typedef int32_t bits __attribute__((may_alias));
    return (vec)((ints){0} | *(const bits *)value);
}

/* other: NULL means zeros. */
INLINE void pair_up(const vec *some, const vec *other, vec *pairs, long count)
{
    for (long i = 0; i < count; i++)
        pairs[i] = pair(some[i], other ? other[i] : (vec){0});
}
