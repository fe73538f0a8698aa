/* What the parts of a chain of 3x3 convolutions share. LANES images lie side by side: an array is
   groups x channels x rows x columns x LANES floats, so that everything is done to whole vectors,
   whatever the number of channels. */

#include <stdlib.h>
#include <string.h>

#include "pairs.h"

enum {
    TAPS = 9,    /* of a kernel */
    BLOCK = 4,   /* output channels worked on together; their number is a multiple of it */
    WIDTH = 6,   /* neighbours of a row worked on together, at most */
    NONE = 4     /* of a 2x2 */
};

typedef float quad __attribute__((vector_size(16), may_alias));
typedef uint16_t halves __attribute__((may_alias));
typedef int8_t bytes __attribute__((vector_size(LANES)));

/* In two steps: GCC 12 does one lane by lane. */
typedef int16_t shorts __attribute__((vector_size(2 * LANES)));
INLINE bytes narrow(ints numbers)
{
    return __builtin_convertvector(__builtin_convertvector(numbers, shorts), bytes);
}
INLINE ints widen(bytes numbers)
{
    return __builtin_convertvector(__builtin_convertvector(numbers, shorts), ints);
}

/* One convolution of the chain. out and which are as large as what it gives: groups x outputs x
   (rows-2) x (columns-2), or with a pool half as many each way. */
typedef struct {
    const float *weights; /* outputs x inputs x TAPS */
    const float *bias;
    vec *out;
    bytes *which;        /* of the 2x2 that was the largest, or NONE for ReLU's 0 */
    float *weight_grads; /* as the weights */
    float *bias_grads;
    long inputs, outputs, rows, columns, pooled, relu;
    long pairs; /* whether pairs of bfloat16 are multiplied; numbers of channels must be even */
} layer;

/* What follows from a layer's sizes: its output's, and the sizes of arrays in vectors. */
typedef struct {
    long step, high, wide, in, out, weights;
} extent;

INLINE extent extent_of(const layer *l)
{
    long step = l->pooled ? 2 : 1, high = (l->rows - 2) / step, wide = (l->columns - 2) / step;
    return (extent){step, high, wide, l->inputs * l->rows * l->columns, l->outputs * high * wide,
                    l->outputs * l->inputs * TAPS};
}

/* The sum over the lanes. */
INLINE float total(const vec *values)
{
    const quad *parts = (const quad *)values;
    quad sum = parts[0] + parts[1];
    for (int i = 2; i < LANES / 4; i++)
        sum += parts[i];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

/* One layer's way back, in one of two manners. */
typedef struct {
    long (*packed)(const layer *); /* floats that pack needs, and */
    long (*room)(const layer *);   /* a group on its way */
    void (*pack)(const layer *, float *packed);
    /* One group: in, out_grad and which as the layer has them. in_grad: NULL where it is not wanted. */
    void (*group)(const layer *, const float *packed, const vec *in, const vec *out_grad,
                  const bytes *which, vec *in_grad, float *weight_grads, float *bias_grads,
                  vec *room);
} way_back;

/* What a chain needs: floats for all parameters' gradients and for the packed weights of either way;
   vectors for a thread: room, and on the way back, behind it, two arrays between layers. */
typedef struct {
    long params, packed, packed_back, room, between;
} needs;

/* Floats up to a whole vector. */
INLINE long up(long floats) { return (floats + LANES - 1) / LANES * LANES; }

INLINE float *allocate(long floats)
{
    return aligned_alloc(sizeof(vec), up(floats + 1) * sizeof(float));
}

#pragma GCC visibility push(hidden)
extern const way_back dense, pooled;
void pack(const layer *l, float *packed);
long forward_room(const layer *l);
void forward_layer(const layer *l, const float *packed, const vec *in, long group, vec *room);
void take_apart(const vec *group, float *images, long channels, long pixels, long image_step);
void put_together(const float *images, vec *group, long channels, long pixels, long image_step);

/* A group through a chain. grads: of each layer's weights and bias, one behind the other. */
needs needs_of(const layer *layers, long count);
void pack_chain(const layer *layers, long count, float *packed);
void pack_chain_back(const layer *layers, long count, float *packed);
void chain_forward(const vec *in, const layer *layers, long count, const float *packed, long group,
                   vec *room);
void chain_back(const vec *in, const vec *out_grad, vec *in_grad, const layer *layers, long count,
                const float *packed, float *grads, long group, vec *room);

/* The groups' gradients, stride apart, added in one order whatever the threads. */
void add_groups(const float *from, long groups, long stride, float *to, long count);
#pragma GCC visibility pop
