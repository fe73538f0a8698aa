/* A chain of 3x3 convolutions without padding, each with a 2x2 max-pool and a ReLU behind it if
   wanted, and the gradients.

   LANES images lie side by side: an array is groups x channels x rows x columns x LANES floats, so
   that everything is done to whole vectors, whatever the number of channels. Each thread takes
   whole groups, and each group through the whole chain while it is near; no result depends on the
   number of threads. */

#include <stdint.h>
#include <stdlib.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
enum {
    TAPS = 9,    /* of a kernel */
    BLOCK = 4,   /* output channels worked on together; their number is a multiple of it */
    WIDTH = 6,   /* neighbours of a row worked on together, at most */
    NONE = 4     /* of a 2x2 */
};

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef float quad __attribute__((vector_size(16), may_alias));
typedef int8_t bytes __attribute__((vector_size(LANES)));

#define INLINE static inline __attribute__((always_inline))

int lanes(void) { return LANES; }
int block(void) { return BLOCK; }

/* One convolution of the chain. out and which are as large as what it gives: groups x outputs x
   (rows-2) x (columns-2), or with a pool half as many each way. */
typedef struct {
    const float *weights; /* outputs/BLOCK x inputs x TAPS x BLOCK */
    const float *turned;  /* inputs/BLOCK x outputs x TAPS x BLOCK, the kernels turned by 180 degrees */
    const float *bias;
    vec *out;
    bytes *which;        /* of the 2x2 that was the largest, or NONE for ReLU's 0 */
    float *weight_grads; /* groups x outputs x inputs x TAPS */
    float *bias_grads;   /* groups x outputs */
    long inputs, outputs, rows, columns, pooled, relu;
} layer;

/* What follows from a layer's sizes: its output's, and the sizes of arrays in vectors. */
typedef struct {
    long step, high, wide, in, out, dense, row_step;
} extent;

static extent extent_of(const layer *l)
{
    long step = l->pooled ? 2 : 1, high = (l->rows - 2) / step, wide = (l->columns - 2) / step;
    long row_step = wide * step + 4;
    return (extent){step, high, wide, l->inputs * l->rows * l->columns, l->outputs * high * wide,
                    l->outputs * high * step * row_step, row_step};
}

/* An array of channels, seen from one of its rows. */
typedef struct {
    const vec *at;
    long channels, channel_step, row_step;
} view;

/* Adds to `width` neighbours of a row, in BLOCK channels, the kernel rows first..last-1. */
INLINE void dot(view in, int first, int last, const float *weights, vec *out, long out_step,
                const int width)
{
    vec sum[BLOCK][WIDTH];
    for (int b = 0; b < BLOCK; b++)
        for (int i = 0; i < width; i++)
            sum[b][i] = out[b * out_step + i];
    for (long c = 0; c < in.channels; c++)
        for (int tap = 3 * first; tap < 3 * last; tap++) {
            const float *w = weights + (c * TAPS + tap) * BLOCK;
            const vec *x = in.at + c * in.channel_step + tap / 3 * in.row_step + tap % 3;
            for (int i = 0; i < width; i++)
                for (int b = 0; b < BLOCK; b++)
                    sum[b][i] += w[b] * x[i];
        }
    for (int b = 0; b < BLOCK; b++)
        for (int i = 0; i < width; i++)
            out[b * out_step + i] = sum[b][i];
}

/* The same for a whole row, in pieces of nearly equal width: constants let them stay in registers. */
static void add_row(view in, int first, int last, const float *weights, vec *out, long out_step,
                    long columns)
{
    long pieces = (columns + WIDTH - 1) / WIDTH, x = 0;
    for (long piece = 1; piece <= pieces; piece++) {
        long width = piece * columns / pieces - x;
        switch (width) {
        case 1: dot(in, first, last, weights, out + x, out_step, 1); break;
        case 2: dot(in, first, last, weights, out + x, out_step, 2); break;
        case 3: dot(in, first, last, weights, out + x, out_step, 3); break;
        case 4: dot(in, first, last, weights, out + x, out_step, 4); break;
        case 5: dot(in, first, last, weights, out + x, out_step, 5); break;
        case 6: dot(in, first, last, weights, out + x, out_step, 6); break;
        }
        in.at += width;
        x += width;
    }
}

INLINE void take_larger(vec *best, ints *index, vec other, int number)
{
    ints larger = other > *best;
    *best = (vec)(((ints)other & larger) | ((ints)*best & ~larger));
    *index = (larger & number) | (*index & ~larger);
}

/* One row of outputs: the largest of each 2x2, or of each 1x1 without a pool, and with a ReLU of 0.
   which: the one of the four that it is, or NONE where it is ReLU's 0. */
static void reduce(const vec *upper, const vec *lower, vec *out, bytes *which, long columns,
                   int pooled, int relu)
{
    for (long x = 0; x < columns; x++) {
        const vec *corners[4] = {upper + 2 * x, upper + 2 * x + 1, lower + 2 * x, lower + 2 * x + 1};
        vec best = pooled ? *corners[0] : upper[x];
        ints index = {0};
        for (int i = 1; i < 4 && pooled; i++)
            take_larger(&best, &index, *corners[i], i);
        if (relu)
            take_larger(&best, &index, (vec){0}, NONE);
        out[x] = best;
        which[x] = __builtin_convertvector(index, bytes);
    }
}

/* One group through one layer. */
static void forward_layer(const layer *l, const vec *in, long group)
{
    extent e = extent_of(l);
    long full = l->columns - 2;
    for (long y = 0; y < e.high; y++)
        for (long o = 0; o < l->outputs; o += BLOCK) {
            vec lines[2][BLOCK][full];
            for (long r = 0; r < e.step; r++) {
                view from = {in + (y * e.step + r) * l->columns, l->inputs, l->rows * l->columns,
                             l->columns};
                for (int b = 0; b < BLOCK; b++)
                    for (long x = 0; x < full; x++)
                        lines[r][b][x] = (vec){0} + l->bias[o + b];
                add_row(from, 0, 3, l->weights + o * l->inputs * TAPS, lines[r][0], full, full);
            }
            for (int b = 0; b < BLOCK; b++) {
                long at = group * e.out + ((o + b) * e.high + y) * e.wide;
                reduce(lines[0][b], lines[1][b], l->out + at, l->which + at, e.wide, l->pooled,
                       l->relu);
            }
        }
}

/* in: as the first layer takes it. */
void forward(const vec *in, const layer *layers, long count, long groups, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long g = 0; g < groups; g++)
        for (const layer *l = layers; l < layers + count; l++) {
            const vec *from = l == layers ? in : l[-1].out;
            forward_layer(l, from + g * extent_of(l).in, g);
        }
}

/* The gradient before pool and ReLU, with two columns of 0 on either side of each row. */
static void spread(const vec *grad, const bytes *which, vec *dense, long lines, long wide, long step)
{
    long columns = wide * step + 4;
    for (long line = 0; line < lines; line++)
        for (int r = 0; r < step; r++) {
            vec *to = dense + (line * step + r) * columns;
            to[0] = to[1] = to[columns - 2] = to[columns - 1] = (vec){0};
            for (long x = 0; x < wide; x++) {
                ints index = __builtin_convertvector(which[line * wide + x], ints);
                for (int c = 0; c < step; c++)
                    to[2 + x * step + c] = (vec)((ints)grad[line * wide + x] & (index == 2 * r + c));
            }
        }
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

/* The gradients of one row of BLOCK outputs' kernels: an input's rows times the outputs' gradients. */
static void correlate(const vec *in, long in_step, view grads, long rows, long columns,
                      float *result, long result_step)
{
    vec sum[3][BLOCK] = {0};
    for (long y = 0; y < rows; y++) {
        const vec *x = in + y * in_step, *grad = grads.at + y * grads.row_step;
#pragma GCC unroll 2
        for (long i = 0; i < columns; i++)
            for (int b = 0; b < BLOCK; b++)
                for (int k = 0; k < 3; k++)
                    sum[k][b] += grad[b * grads.channel_step + i] * x[i + k];
    }
    for (int k = 0; k < 3; k++)
        for (int b = 0; b < BLOCK; b++)
            result[b * result_step + k] = total(&sum[k][b]);
}

/* in_grad, as in: the output gradient correlated with the kernels turned by 180 degrees. */
static void input_gradient(view grads, long grad_rows, const float *turned, vec *in_grad,
                           long inputs, long rows, long columns)
{
    for (long i = 0; i < inputs * rows * columns; i++)
        in_grad[i] = (vec){0};
    for (long y = 0; y < grad_rows + 2; y++) {
        int first = y < 2 ? 2 - y : 0, last = grad_rows + 2 - y < 3 ? grad_rows + 2 - y : 3;
        view from = grads;
        from.at += (y - 2) * grads.row_step;
        for (long c = 0; c < inputs; c += BLOCK)
            add_row(from, first, last, turned + c * grads.channels * TAPS,
                    in_grad + (c * rows + y) * columns, rows * columns, grads.row_step - 2);
    }
}

/* One group back through one layer. in_grad: NULL where it is not wanted. dense: room. */
static void backward_layer(const layer *l, const vec *in, const vec *out_grad, vec *in_grad,
                           vec *dense, long group)
{
    extent e = extent_of(l);
    long rows = e.high * e.step, columns = e.wide * e.step;
    view grads = {dense, l->outputs, rows * e.row_step, e.row_step};
    spread(out_grad, l->which + group * e.out, dense, l->outputs * e.high, e.wide, e.step);
    if (in_grad)
        input_gradient(grads, rows, l->turned, in_grad, l->inputs, l->rows, l->columns);
    for (long o = 0; o < l->outputs; o++) {
        vec sum = {0};
        for (long i = 0; i < grads.channel_step; i++)
            sum += dense[o * grads.channel_step + i];
        l->bias_grads[group * l->outputs + o] = total(&sum);
    }
    grads.at += 2;
    for (long o = 0; o < l->outputs; o += BLOCK) {
        float *to = l->weight_grads + (group * l->outputs + o) * l->inputs * TAPS;
        for (long c = 0; c < l->inputs; c++)
            for (int k = 0; k < 3; k++)
                correlate(in + (c * l->rows + k) * l->columns, l->columns, grads, rows, columns,
                          to + c * TAPS + 3 * k, l->inputs * TAPS);
        grads.at += BLOCK * grads.channel_step;
    }
}

/* in, layers: as forward left them. in_grad: as in, or NULL where it is not wanted.
   Returns 0 where memory is short. */
int backward(const vec *in, const vec *out_grad, vec *in_grad, const layer *layers, long count,
             long groups, int threads)
{
    long most_dense = 0, most_in = 0;
    for (const layer *l = layers; l < layers + count; l++) {
        extent e = extent_of(l);
        most_dense = e.dense > most_dense ? e.dense : most_dense;
        most_in = e.in > most_in ? e.in : most_in;
    }
    int done = 1;
#pragma omp parallel num_threads(threads)
    {
        vec *room = aligned_alloc(sizeof(vec), (most_dense + 2 * most_in) * sizeof(vec));
        if (!room)
            done = 0;
#pragma omp for schedule(static)
        for (long g = 0; g < groups; g++) {
            const vec *grad = out_grad + g * extent_of(layers + count - 1).out;
            for (long n = count - 1; n >= 0 && room; n--) {
                const layer *l = layers + n;
                long at = g * extent_of(l).in;
                vec *below = n ? room + most_dense + n % 2 * most_in : in_grad ? in_grad + at : NULL;
                backward_layer(l, (n ? l[-1].out : in) + at, grad, below, room, g);
                grad = below;
            }
        }
        free(room);
    }
    return done;
}
