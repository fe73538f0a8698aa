/* A chain of 3x3 convolutions without padding, each with a 2x2 max-pool and a ReLU behind it if
   wanted, and the gradients.

   Each thread takes whole groups of LANES images, and each group through the whole chain while it is
   near; no result depends on the number of threads. */

#include <stdlib.h>

#include "conv3x3.h"

int lanes(void) { return LANES; }

int block(void) { return BLOCK; }

/* Whether pairs of bfloat16 are multiplied faster than floats. */
int fast_pairs(void) { return FAST_PAIRS; }

/* Going from place to place takes longer for a single input. */
static const way_back *way_of(const layer *l) { return l->pooled && l->inputs > 1 ? &pooled : &dense; }

static float *allocate(long floats)
{
    return aligned_alloc(sizeof(vec), (floats + LANES - 1) / LANES * sizeof(vec));
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
    long begins[count + 1], most_room = 0;
    begins[0] = 0;
    for (long n = 0; n < count; n++) {
        long room = forward_room(layers + n);
        most_room = room > most_room ? room : most_room;
        begins[n + 1] = begins[n] + extent_of(layers + n).weights;
    }
    float *packed = allocate(begins[count]);
    int done = packed != NULL;
    for (long n = 0; n < count && done; n++)
        pack(layers + n, packed + begins[n]);
#pragma omp parallel num_threads(threads)
    {
        vec *room = (vec *)allocate((most_room + 1) * LANES);
        if (!room)
            done = 0;
#pragma omp barrier
#pragma omp for schedule(static)
        for (long g = 0; g < groups; g++)
            for (long n = 0; n < count && done; n++) {
                const vec *from = n ? layers[n - 1].out : in;
                forward_layer(layers + n, packed + begins[n], from + g * extent_of(layers + n).in, g,
                              room);
            }
        free(room);
    }
    free(packed);
    return done;
}

/* Each group's gradients, count of them stride apart, added in one order whatever the threads. */
static void add_groups(const float *from, long groups, long stride, float *to, long count)
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
    long most_room = 0, most_in = 0, begins[count + 1], params[count + 1];
    begins[0] = params[0] = 0;
    for (long n = 0; n < count; n++) {
        const layer *l = layers + n;
        extent e = extent_of(l);
        long room = way_of(l)->room(l);
        most_room = room > most_room ? room : most_room;
        most_in = e.in > most_in ? e.in : most_in;
        begins[n + 1] = begins[n] + (way_of(l)->packed(l) + LANES - 1) / LANES * LANES;
        params[n + 1] = params[n] + e.weights + l->outputs;
    }
    float *packed = allocate(begins[count]), *grads = allocate(groups * params[count]);
    int done = packed && grads;
    for (long n = 0; n < count && done; n++)
        way_of(layers + n)->pack(layers + n, packed + begins[n]);
#pragma omp parallel num_threads(threads)
    {
        vec *room = (vec *)allocate(most_room + 2 * most_in * LANES);
        vec *between = room + (most_room + LANES - 1) / LANES;
        if (!room)
            done = 0;
#pragma omp barrier
#pragma omp for schedule(static)
        for (long g = 0; g < groups; g++) {
            const vec *grad = out_grad + g * extent_of(layers + count - 1).out;
            for (long n = count - 1; n >= 0 && done; n--) {
                const layer *l = layers + n;
                extent e = extent_of(l);
                vec *below = n ? between + n % 2 * most_in : in_grad ? in_grad + g * e.in : NULL;
                float *to = grads + g * params[count] + params[n];
                way_of(l)->group(l, packed + begins[n], (n ? l[-1].out : in) + g * e.in, grad,
                                 l->which + g * e.out, below, to, to + e.weights, room);
                grad = below;
            }
        }
#pragma omp for schedule(dynamic)
        for (long n = 0; n < count; n++) {
            long weights = extent_of(layers + n).weights;
            const float *from = grads + params[n];
            if (done) {
                add_groups(from, groups, params[count], layers[n].weight_grads, weights);
                add_groups(from + weights, groups, params[count], layers[n].bias_grads, layers[n].outputs);
            }
        }
        free(room);
    }
    free(packed);
    free(grads);
    return done;
}
