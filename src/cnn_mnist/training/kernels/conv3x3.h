/* Declarations for a chain of 3x3 convolutions. LANES images are interleaved: an array has the shape
   groups x channels x rows x columns x LANES, so all operations work on full vectors, whatever the
   number of channels. */

#include <string.h>

#include "pairs.h"

enum {
    TAPS = 9,    /* of a kernel */
    BLOCK = 4,   /* output channels computed together; their number is a multiple of it */
    WIDTH = 6,   /* most neighbouring outputs of a row computed together */
    NONE = 4     /* argmax where the ReLU gave 0 */
};

typedef uint16_t bfloat16 __attribute__((may_alias));
typedef int8_t bytes __attribute__((vector_size(LANES)));

/* In two steps, since GCC 12 converts lane by lane in one. */
typedef int16_t shorts __attribute__((vector_size(2 * LANES)));
INLINE bytes narrow(ints numbers)
{
    return __builtin_convertvector(__builtin_convertvector(numbers, shorts), bytes);
}
INLINE ints widen(bytes numbers)
{
    return __builtin_convertvector(__builtin_convertvector(numbers, shorts), ints);
}

/* One convolution of the chain. out and argmax have the shape of its output: groups x outputs x
   (rows-2) x (columns-2), or with a pool half the rows and columns. */
typedef struct {
    const float *weights; /* outputs x inputs x TAPS */
    const float *bias;
    vec *out;
    bytes *argmax;       /* of each pooled 2x2, or NONE where the ReLU gave 0 */
    float *weight_grads; /* same shape as the weights */
    float *bias_grads;
    long inputs, outputs, rows, columns, pooled, relu;
    long pairs; /* multiply pairs of bfloat16; the numbers of channels must be even */
} layer;

/* Sizes that follow from a layer's: step, rows and columns of its output, and arrays in vectors. */
typedef struct {
    long step, high, wide, in, out, weights;
} extent;

INLINE extent extent_of(const layer *l)
{
    long step = l->pooled ? 2 : 1, high = (l->rows - 2) / step, wide = (l->columns - 2) / step;
    return (extent){step, high, wide, l->inputs * l->rows * l->columns, l->outputs * high * wide,
                    l->outputs * l->inputs * TAPS};
}

/* A layer's backward pass, in one of two implementations. */
typedef struct {
    long (*packed)(const layer *);  /* floats for pack, */
    long (*scratch)(const layer *); /* and for one group */
    void (*pack)(const layer *, float *packed);
    /* One group; in, out_grad and argmax are those of the group. in_grad may be NULL. */
    void (*group)(const layer *, const float *packed, const vec *in, const vec *out_grad,
                  const bytes *argmax, vec *in_grad, float *weight_grads, float *bias_grads,
                  vec *scratch);
} backward_pass;

/* Memory for a chain: floats for the gradients of all parameters and for the packed weights of the
   forward and the backward pass; vectors for each thread's scratch space, which the backward pass
   extends by two arrays of `between`. */
typedef struct {
    long params, packed, packed_backward, scratch, between;
} needs;

#pragma GCC visibility push(hidden)
extern const backward_pass dense, pooled;
void pack(const layer *l, float *packed);
long forward_scratch(const layer *l);
void forward_layer(const layer *l, const float *packed, const vec *in, long group, vec *scratch);
void deinterleave(const vec *group, float *images, long channels, long pixels, long image_step);
void interleave(const float *images, vec *group, long channels, long pixels, long image_step);

/* One group through a chain. grads: each layer's weights, then its bias, layer after layer. */
needs needs_of(const layer *layers, long count);
void pack_chain(const layer *layers, long count, float *packed);
void pack_chain_backward(const layer *layers, long count, float *packed);
void chain_forward(const vec *in, const layer *layers, long count, const float *packed, long group,
                   vec *scratch);
void chain_backward(const vec *in, const vec *out_grad, vec *in_grad, const layer *layers,
                    long count, const float *packed, float *grads, long group, vec *scratch);

/* Sums gradients over groups, which are stride apart, in an order that is independent of threads. */
void add_groups(const float *from, long groups, long stride, float *to, long count);
#pragma GCC visibility pop
