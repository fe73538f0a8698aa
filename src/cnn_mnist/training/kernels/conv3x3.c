/* A chain of 3x3 convolutions without padding, each optionally followed by a 2x2 max-pool and a ReLU,
   and its gradients.

   A thread takes a group of LANES images through the whole chain while the group is in its cache. No
   result depends on the number of threads. */

#include "conv3x3.h"

int lanes(void) { return LANES; }

int block(void) { return BLOCK; }

/* Whether pairs of bfloat16 are multiplied faster than floats. */
int fast_pairs(void) { return FAST_PAIRS; }

/* Visiting single places is slower with one input channel. */
static const backward_pass *backward_of(const layer *l)
{
    return l->pooled && l->inputs > 1 ? &pooled : &dense;
}

static long larger(long a, long b) { return a > b ? a : b; }

needs needs_of(const layer *layers, long count)
{
    needs all = {0};
    for (long n = 0; n < count; n++) {
        const layer *l = layers + n;
        extent e = extent_of(l);
        all.params += e.weights + l->outputs;
        all.packed += e.weights;
        all.packed_backward += round_up(backward_of(l)->packed(l));
        long floats = larger(forward_scratch(l), backward_of(l)->scratch(l));
        all.scratch = larger(all.scratch, round_up(floats) / LANES);
        all.between = larger(all.between, e.in);
    }
    all.packed = round_up(all.packed);
    return all;
}

void pack_chain(const layer *layers, long count, float *packed)
{
    for (long n = 0; n < count; n++) {
        pack(layers + n, packed);
        packed += extent_of(layers + n).weights;
    }
}

void pack_chain_backward(const layer *layers, long count, float *packed)
{
    for (long n = 0; n < count; n++) {
        backward_of(layers + n)->pack(layers + n, packed);
        packed += round_up(backward_of(layers + n)->packed(layers + n));
    }
}

void chain_forward(const vec *in, const layer *layers, long count, const float *packed, long group,
                   vec *scratch)
{
    for (long n = 0; n < count; n++) {
        extent e = extent_of(layers + n);
        forward_layer(layers + n, packed, (n ? layers[n - 1].out : in) + group * e.in, group,
                      scratch);
        packed += e.weights;
    }
}

void chain_backward(const vec *in, const vec *out_grad, vec *in_grad, const layer *layers,
                    long count, const float *packed, float *grads, long group, vec *scratch)
{
    needs all = needs_of(layers, count);
    vec *between = scratch + all.scratch;
    packed += all.packed_backward;
    grads += all.params;
    for (long n = count - 1; n >= 0; n--) {
        const layer *l = layers + n;
        extent e = extent_of(l);
        vec *below = n ? between + n % 2 * all.between : in_grad;
        packed -= round_up(backward_of(l)->packed(l));
        grads -= e.weights + l->outputs;
        backward_of(l)->group(l, packed, (n ? l[-1].out : in) + group * e.in, out_grad,
                              l->argmax + group * e.out, below, grads, grads + e.weights, scratch);
        out_grad = below;
    }
}

/* Interleaves groups of LANES images, each of `pixels`, a multiple of LANES. */
void lay_out(const float *images, vec *out, long pixels, long groups, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long g = 0; g < groups; g++)
        interleave(images + g * LANES * pixels, out + g * pixels, pixels, 1, pixels);
}

/* in: the first layer's input. Returns 0 if memory is short. */
int forward(const vec *in, const layer *layers, long count, long groups, int threads)
{
    needs all = needs_of(layers, count);
    float *packed = allocate(all.packed);
    int ok = packed != NULL;
    if (ok)
        pack_chain(layers, count, packed);
#pragma omp parallel num_threads(threads)
    {
        vec *scratch = (vec *)allocate(all.scratch * LANES);
        if (!scratch)
            ok = 0;
#pragma omp barrier
#pragma omp for schedule(static)
        for (long g = 0; g < groups; g++)
            if (ok)
                chain_forward(in, layers, count, packed, g, scratch);
        free(scratch);
    }
    free(packed);
    return ok;
}

void add_groups(const float *from, long groups, long stride, float *to, long count)
{
    memset(to, 0, count * sizeof(float));
    for (long g = 0; g < groups; g++)
        for (long i = 0; i < count; i++)
            to[i] += from[g * stride + i];
}

/* in, layers: as after forward. in_grad: same shape as in, or NULL. Returns 0 if memory is short. */
int backward(const vec *in, const vec *out_grad, vec *in_grad, const layer *layers, long count,
             long groups, int threads)
{
    needs all = needs_of(layers, count);
    long in_size = extent_of(layers).in, out_size = extent_of(layers + count - 1).out;
    float *packed = allocate(all.packed_backward), *grads = allocate(groups * all.params);
    int ok = packed && grads;
    if (ok)
        pack_chain_backward(layers, count, packed);
#pragma omp parallel num_threads(threads)
    {
        vec *scratch = (vec *)allocate((all.scratch + 2 * all.between) * LANES);
        if (!scratch)
            ok = 0;
#pragma omp barrier
#pragma omp for schedule(static)
        for (long g = 0; g < groups; g++)
            if (ok)
                chain_backward(in, out_grad + g * out_size, in_grad ? in_grad + g * in_size : NULL,
                               layers, count, packed, grads + g * all.params, g, scratch);
        free(scratch);
    }
    const float *from = grads;
    for (long n = 0; n < count && ok; n++) {
        long weights = extent_of(layers + n).weights;
        add_groups(from, groups, all.params, layers[n].weight_grads, weights);
        add_groups(from + weights, groups, all.params, layers[n].bias_grads, layers[n].outputs);
        from += weights + layers[n].outputs;
    }
    free(packed);
    free(grads);
    return ok;
}
