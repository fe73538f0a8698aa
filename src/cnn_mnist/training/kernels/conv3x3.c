/* A chain of 3x3 convolutions without padding, each with a 2x2 max-pool and a ReLU behind it if
   wanted, and the gradients.

   Each thread takes whole groups of LANES images, and each group through the whole chain while it is
   near; no result depends on the number of threads. */

#include "conv3x3.h"

int lanes(void) { return LANES; }

int block(void) { return BLOCK; }

/* Whether pairs of bfloat16 are multiplied faster than floats. */
int fast_pairs(void) { return FAST_PAIRS; }

/* Going from place to place takes longer for a single input. */
static const way_back *way_of(const layer *l) { return l->pooled && l->inputs > 1 ? &pooled : &dense; }

static long larger(long a, long b) { return a > b ? a : b; }

needs needs_of(const layer *layers, long count)
{
    needs all = {0};
    for (long n = 0; n < count; n++) {
        const layer *l = layers + n;
        extent e = extent_of(l);
        all.params += e.weights + l->outputs;
        all.packed += e.weights;
        all.packed_back += up(way_of(l)->packed(l));
        all.room = larger(all.room, up(larger(forward_room(l), way_of(l)->room(l))) / LANES);
        all.between = larger(all.between, e.in);
    }
    all.packed = up(all.packed);
    return all;
}

void pack_chain(const layer *layers, long count, float *packed)
{
    for (long n = 0; n < count; n++) {
        pack(layers + n, packed);
        packed += extent_of(layers + n).weights;
    }
}

void pack_chain_back(const layer *layers, long count, float *packed)
{
    for (long n = 0; n < count; n++) {
        way_of(layers + n)->pack(layers + n, packed);
        packed += up(way_of(layers + n)->packed(layers + n));
    }
}

void chain_forward(const vec *in, const layer *layers, long count, const float *packed, long group,
                   vec *room)
{
    for (long n = 0; n < count; n++) {
        extent e = extent_of(layers + n);
        forward_layer(layers + n, packed, (n ? layers[n - 1].out : in) + group * e.in, group, room);
        packed += e.weights;
    }
}

void chain_back(const vec *in, const vec *out_grad, vec *in_grad, const layer *layers, long count,
                const float *packed, float *grads, long group, vec *room)
{
    needs all = needs_of(layers, count);
    vec *between = room + all.room;
    packed += all.packed_back;
    grads += all.params;
    for (long n = count - 1; n >= 0; n--) {
        const layer *l = layers + n;
        extent e = extent_of(l);
        vec *below = n ? between + n % 2 * all.between : in_grad;
        packed -= up(way_of(l)->packed(l));
        grads -= e.weights + l->outputs;
        way_of(l)->group(l, packed, (n ? l[-1].out : in) + group * e.in, out_grad,
                         l->which + group * e.out, below, grads, grads + e.weights, room);
        out_grad = below;
    }
}

/* groups of LANES images of `pixels`, a multiple of LANES, each behind the other, to LANES side by side. */
void lay_out(const float *images, vec *out, long pixels, long groups, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long g = 0; g < groups; g++)
        put_together(images + g * LANES * pixels, out + g * pixels, pixels, 1, pixels);
}

/* in: as the first layer takes it. Returns 0 where memory is short. */
int forward(const vec *in, const layer *layers, long count, long groups, int threads)
{
    needs all = needs_of(layers, count);
    float *packed = allocate(all.packed);
    int done = packed != NULL;
    if (done)
        pack_chain(layers, count, packed);
#pragma omp parallel num_threads(threads)
    {
        vec *room = (vec *)allocate(all.room * LANES);
        if (!room)
            done = 0;
#pragma omp barrier
#pragma omp for schedule(static)
        for (long g = 0; g < groups; g++)
            if (done)
                chain_forward(in, layers, count, packed, g, room);
        free(room);
    }
    free(packed);
    return done;
}

void add_groups(const float *from, long groups, long stride, float *to, long count)
{
    memset(to, 0, count * sizeof(float));
    for (long g = 0; g < groups; g++)
        for (long i = 0; i < count; i++)
            to[i] += from[g * stride + i];
}

/* in, layers: as forward left them. in_grad: as in, or NULL where it is not wanted.
   Returns 0 where memory is short. */
int backward(const vec *in, const vec *out_grad, vec *in_grad, const layer *layers, long count,
             long groups, int threads)
{
    needs all = needs_of(layers, count);
    long in_size = extent_of(layers).in, out_size = extent_of(layers + count - 1).out;
    float *packed = allocate(all.packed_back), *grads = allocate(groups * all.params);
    int done = packed && grads;
    if (done)
        pack_chain_back(layers, count, packed);
#pragma omp parallel num_threads(threads)
    {
        vec *room = (vec *)allocate((all.room + 2 * all.between) * LANES);
        if (!room)
            done = 0;
#pragma omp barrier
#pragma omp for schedule(static)
        for (long g = 0; g < groups; g++)
            if (done)
                chain_back(in, out_grad + g * out_size, in_grad ? in_grad + g * in_size : NULL,
                           layers, count, packed, grads + g * all.params, g, room);
        free(room);
    }
    const float *from = grads;
    for (long n = 0; n < count && done; n++) {
        long weights = extent_of(layers + n).weights;
        add_groups(from, groups, all.params, layers[n].weight_grads, weights);
        add_groups(from + weights, groups, all.params, layers[n].bias_grads, layers[n].outputs);
        from += weights + layers[n].outputs;
    }
    free(packed);
    free(grads);
    return done;
}
