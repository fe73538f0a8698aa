/* Pairs of bfloat16 in the place of floats: two products in the time of one, added up in float32.
   AVX-512 BF16 needs intrinsics, the only ones; elsewhere plain steps do the same, slowly. */

#include "lanes.h"

/* A value as one half of a pair: rounded to the nearest, and of two to the even one. */
INLINE uint16_t half_of(float value)
{
    union { float value; uint32_t bits; } v = {value};
    return value == value ? (v.bits + 0x7fff + (v.bits >> 16 & 1)) >> 16 : 0x7fc0;
}

#ifdef __AVX512BF16__
#include <immintrin.h>

enum { FAST_PAIRS = 1 };

/* The values of two vectors, beside each other. */
INLINE vec pair(vec first, vec second)
{
    typedef int16_t shorts __attribute__((vector_size(4 * LANES)));
    shorts order;
    for (int i = 0; i < 2 * LANES; i++)
        order[i] = i / 2 + i % 2 * LANES;
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
    return (vec)_mm512_permutexvar_epi16((__m512i)order, both);
}

/* sum + both products of the pairs. */
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
        pairs[i] = half_of(first[i]) | (uint32_t)half_of(second[i]) << 16;
    return (vec)pairs;
}

INLINE vec add_products(vec sum, vec a, vec b)
{
    const words upper = (words){0} + 0xffff0000;
    sum += (vec)((words)a << 16) * (vec)((words)b << 16);
    return sum + (vec)((words)a & upper) * (vec)((words)b & upper);
}
#endif

/* sum + a * b, of floats or of pairs. */
INLINE vec multiply_add(vec sum, vec a, vec b, const int pairs)
{
    return pairs ? add_products(sum, a, b) : sum + a * b;
}

/* The same value in all lanes, bit for bit. */
INLINE vec everywhere(const float *value)
{
    typedef int32_t bits __attribute__((may_alias));
    return (vec)((ints){0} | *(const bits *)value);
}

/* other: NULL for zeros. */
INLINE void pair_up(const vec *some, const vec *other, vec *pairs, long count)
{
    for (long i = 0; i < count; i++)
        pairs[i] = pair(some[i], other ? other[i] : (vec){0});
}
