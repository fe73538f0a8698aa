/* A chain of 3x3 convolutions without padding, each with a 2x2 max-pool and a ReLU behind it if
   wanted, and the gradients.

   LANES images lie side by side: an array is groups x channels x rows x columns x LANES floats, so
   that everything is done to whole vectors, whatever the number of channels. Each thread takes
   whole groups, and each group through the whole chain while it is near; no result depends on the
   number of threads. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
typedef float unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int8_t bytes __attribute__((vector_size(LANES)));

#define INLINE static inline __attribute__((always_inline))

int lanes(void) { return LANES; }

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
} layer;

/* What follows from a layer's sizes: its output's, and the sizes of arrays in vectors. */
typedef struct {
    long step, high, wide, in, out, dense, row_step, weights, kernel_row;
} extent;

static extent extent_of(const layer *l)
{
    long step = l->pooled ? 2 : 1, high = (l->rows - 2) / step, wide = (l->columns - 2) / step;
    long row_step = wide * step + 4;
    return (extent){step, high, wide, l->inputs * l->rows * l->columns, l->outputs * high * wide,
                    l->outputs * high * step * row_step, row_step, l->outputs * l->inputs * TAPS,
                    (l->inputs * 3 + LANES - 1) / LANES};
}

/* Whether backward_pooled does it; it takes more for a single input. */
static int is_sparse(const layer *l) { return l->pooled && l->inputs > 1; }

/* The weights of BLOCK output channels beside each other: outputs/BLOCK x inputs x TAPS x BLOCK. */
static void pack(const layer *l, float *packed)
{
    for (long o = 0; o < l->outputs; o++)
        for (long i = 0; i < l->inputs * TAPS; i++)
            packed[(o / BLOCK * l->inputs * TAPS + i) * BLOCK + o % BLOCK] =
                l->weights[o * l->inputs * TAPS + i];
}

/* The same with outputs and inputs exchanged and the kernels turned by 180 degrees. */
static void pack_turned(const layer *l, float *packed)
{
    for (long o = 0; o < l->outputs; o++)
        for (long i = 0; i < l->inputs; i++)
            for (long tap = 0; tap < TAPS; tap++)
                packed[((i / BLOCK * l->outputs + o) * TAPS + TAPS - 1 - tap) * BLOCK + i % BLOCK] =
                    l->weights[(o * l->inputs + i) * TAPS + tap];
}

/* outputs x 3 x kernel_row vectors: for each row of a kernel 3 x inputs, then zeros. */
static void pack_rows(const layer *l, float *packed)
{
    long width = extent_of(l).kernel_row * LANES;
    memset(packed, 0, l->outputs * 3 * width * sizeof(float));
    for (long o = 0; o < l->outputs; o++)
        for (long i = 0; i < l->inputs; i++)
            for (long tap = 0; tap < TAPS; tap++)
                packed[(o * 3 + tap / 3) * width + tap % 3 * l->inputs + i] =
                    l->weights[(o * l->inputs + i) * TAPS + tap];
}

static float *allocate(long floats)
{
    return aligned_alloc(sizeof(vec), (floats + LANES - 1) / LANES * sizeof(vec));
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
static void forward_layer(const layer *l, const float *packed, const vec *in, long group)
{
    extent e = extent_of(l);
    long used = e.wide * e.step;
    for (long y = 0; y < e.high; y++)
        for (long o = 0; o < l->outputs; o += BLOCK) {
            vec lines[2][BLOCK][used];
            for (long r = 0; r < e.step; r++) {
                view from = {in + (y * e.step + r) * l->columns, l->inputs, l->rows * l->columns,
                             l->columns};
                for (int b = 0; b < BLOCK; b++)
                    for (long x = 0; x < used; x++)
                        lines[r][b][x] = (vec){0} + l->bias[o + b];
                add_row(from, 0, 3, packed + o * l->inputs * TAPS, lines[r][0], used, used);
            }
            for (int b = 0; b < BLOCK; b++) {
                long at = group * e.out + ((o + b) * e.high + y) * e.wide;
                reduce(lines[0][b], lines[1][b], l->out + at, l->which + at, e.wide, l->pooled,
                       l->relu);
            }
        }
}

/* in: as the first layer takes it. Returns 0 where memory is short. */
int forward(const vec *in, const layer *layers, long count, long groups, int threads)
{
    long begins[count + 1];
    begins[0] = 0;
    for (long n = 0; n < count; n++)
        begins[n + 1] = begins[n] + extent_of(layers + n).weights;
    float *packed = allocate(begins[count]);
    if (!packed)
        return 0;
    for (long n = 0; n < count; n++)
        pack(layers + n, packed + begins[n]);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long g = 0; g < groups; g++)
        for (long n = 0; n < count; n++) {
            const vec *from = n ? layers[n - 1].out : in;
            forward_layer(layers + n, packed + begins[n], from + g * extent_of(layers + n).in, g);
        }
    free(packed);
    return 1;
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

/* The sums over an output's rows and columns. */
static void sum_up(const vec *grads, long count, long outputs, float *bias_grads)
{
    for (long o = 0; o < outputs; o++) {
        vec sum = {0};
        for (long i = 0; i < count; i++)
            sum += grads[o * count + i];
        bias_grads[o] = total(&sum);
    }
}

/* One group back through one layer. in_grad: NULL where it is not wanted. room: dense vectors. */
static void backward_dense(const layer *l, const float *turned, const vec *in, const vec *out_grad,
                           const bytes *which, vec *in_grad, float *weight_grads, float *bias_grads,
                           vec *room)
{
    extent e = extent_of(l);
    long rows = e.high * e.step, columns = e.wide * e.step;
    view grads = {room, l->outputs, rows * e.row_step, e.row_step};
    spread(out_grad, which, room, l->outputs * e.high, e.wide, e.step);
    if (in_grad)
        input_gradient(grads, rows, turned, in_grad, l->inputs, l->rows, l->columns);
    sum_up(room, grads.channel_step, l->outputs, bias_grads);
    grads.at += 2;
    for (long o = 0; o < l->outputs; o += BLOCK) {
        float *to = weight_grads + o * l->inputs * TAPS;
        for (long c = 0; c < l->inputs; c++)
            for (int k = 0; k < 3; k++)
                correlate(in + (c * l->rows + k) * l->columns, l->columns, grads, rows, columns,
                          to + c * TAPS + 3 * k, l->inputs * TAPS);
        grads.at += BLOCK * grads.channel_step;
    }
}

/* Exchanges the upper right and the lower left quarter of each 2 step x 2 step values. */
INLINE void exchange(vec *block, const int step)
{
    ints low;
    for (int i = 0; i < LANES; i++)
        low[i] = i & step ? LANES + i - step : i;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        if (!(i & step)) {
            vec upper = block[i], lower = block[i + step];
            block[i] = __builtin_shuffle(upper, lower, low);
            block[i + step] = __builtin_shuffle(upper, lower, low + step);
        }
}

/* LANES x LANES values: rows become columns. */
INLINE void transpose(vec *block)
{
    exchange(block, 1);
    exchange(block, 2);
    exchange(block, 4);
    if (LANES == 16)
        exchange(block, 8);
}

/* channels x pixels x LANES to LANES images of pixels x channels, each image_step floats. */
static void take_apart(const vec *group, float *images, long channels, long pixels, long image_step)
{
    for (long p = 0; p < pixels; p++)
        for (long c = 0; c < channels; c += LANES) {
            vec block[LANES] = {0};
            for (long i = 0; i < LANES && c + i < channels; i++)
                block[i] = group[(c + i) * pixels + p];
            transpose(block);
            for (long lane = 0; lane < LANES; lane++)
                *(unaligned *)(images + lane * image_step + p * channels + c) = block[lane];
        }
}

/* The way back. */
static void put_together(const float *images, vec *group, long channels, long pixels, long image_step)
{
    for (long p = 0; p < pixels; p++)
        for (long c = 0; c < channels; c += LANES) {
            vec block[LANES];
            for (long lane = 0; lane < LANES; lane++)
                block[lane] = *(const unaligned *)(images + lane * image_step + p * channels + c);
            transpose(block);
            for (long i = 0; i < LANES && c + i < channels; i++)
                group[(c + i) * pixels + p] = block[i];
        }
}

/* One output of one image: its gradients, LANES apart, each at its own place, times the inputs there
   and times `width` vectors of each of the kernel's three rows. */
INLINE void from_places(const float *grads, const int32_t *places, long count, const float *in,
                        float *in_grad, long row_step, const vec *kernel, vec *sums,
                        long kernel_row, const int width)
{
    vec sum[3][width], weights[3][width];
    for (int k = 0; k < 3; k++)
        for (int v = 0; v < width; v++) {
            sum[k][v] = sums[k * kernel_row + v];
            weights[k][v] = kernel[k * kernel_row + v];
        }
    for (long i = 0; i < count; i++) {
        float grad = grads[i * LANES];
        const float *from = in + places[i * LANES];
        float *to = in_grad + places[i * LANES];
        for (int k = 0; k < 3; k++)
            for (int v = 0; v < width; v++) {
                sum[k][v] += grad * ((const unaligned *)(from + k * row_step))[v];
                ((unaligned *)(to + k * row_step))[v] += grad * weights[k][v];
            }
    }
    for (int k = 0; k < 3; k++)
        for (int v = 0; v < width; v++)
            sums[k * kernel_row + v] = sum[k][v];
}

/* Floats of an image taken apart: the last vector of a row of kernels may end behind it. */
static long image_size(const layer *l) { return l->rows * l->columns * l->inputs + 2 * LANES; }

static long sparse_room(const layer *l)
{
    extent e = extent_of(l);
    return 2 * LANES * image_size(l) + (l->outputs * 3 * e.kernel_row + 2 * e.out) * LANES;
}

/* The same where a pool leaves one gradient of four: image by image, from one such place to the next,
   with all inputs of a kernel's row beside each other. */
static void backward_pooled(const layer *l, const float *kernels, const vec *in,
                            const vec *out_grad, const bytes *which, vec *in_grad,
                            float *weight_grads, float *bias_grads, vec *room)
{
    extent e = extent_of(l);
    long image = image_size(l), count = e.high * e.wide, row_step = l->columns * l->inputs;
    float *images = (float *)room, *image_grads = images + LANES * image;
    vec *sums = (vec *)(image_grads + LANES * image), *grads = sums + l->outputs * 3 * e.kernel_row;
    ints *places = (ints *)(grads + e.out);
    for (long i = 0; i < e.out; i++) {
        int y = i % count / e.wide, x = i % e.wide, pixel = l->inputs, row = l->columns * pixel;
        ints index = __builtin_convertvector(which[i], ints), corner = index & 3;
        grads[i] = (vec)((ints)out_grad[i] & (index != NONE));
        places[i] = (2 * y + (corner >> 1)) * row + (2 * x + (corner & 1)) * pixel;
    }
    sum_up(grads, count, l->outputs, bias_grads);
    take_apart(in, images, l->inputs, l->rows * l->columns, image);
    memset(image_grads, 0, LANES * image * sizeof(float));
    memset(sums, 0, l->outputs * 3 * e.kernel_row * sizeof(vec));
    for (long lane = 0; lane < LANES; lane++)
        for (long o = 0; o < l->outputs; o++)
            for (long v = 0; v < e.kernel_row; v += 3) {
                const float *grad = (const float *)(grads + o * count) + lane;
                const int32_t *place = (const int32_t *)(places + o * count) + lane;
                long at = lane * image + v * LANES, row = o * 3 * e.kernel_row + v;
                const vec *kernel = (const vec *)kernels + row;
#define FROM_PLACES(width)                                                                        \
    from_places(grad, place, count, images + at, image_grads + at, row_step, kernel, sums + row, \
                e.kernel_row, width)
                switch (e.kernel_row - v) {
                case 1: FROM_PLACES(1); break;
                case 2: FROM_PLACES(2); break;
                default: FROM_PLACES(3);
                }
            }
    if (in_grad)
        put_together(image_grads, in_grad, l->inputs, l->rows * l->columns, image);
    const float *sum = (const float *)sums;
    for (long o = 0; o < l->outputs; o++)
        for (long i = 0; i < l->inputs; i++)
            for (long tap = 0; tap < TAPS; tap++)
                weight_grads[(o * l->inputs + i) * TAPS + tap] =
                    sum[(o * 3 + tap / 3) * e.kernel_row * LANES + tap % 3 * l->inputs + i];
}

/* Each group's gradients, count of them stride apart, added in one order whatever the threads. */
static void add_groups(const float *from, long groups, long stride, float *to, long count)
{
    memcpy(to, from, count * sizeof(float));
    for (long g = 1; g < groups; g++)
        for (long i = 0; i < count; i++)
            to[i] += from[g * stride + i];
}

/* in, layers: as forward left them. in_grad: as in, or NULL where it is not wanted.
   Returns 0 where memory is short. */
int backward(const vec *in, const vec *out_grad, vec *in_grad, const layer *layers, long count,
             long groups, int threads)
{
    long most_room = 0, most_in = 0, kernels[count + 1], params[count + 1];
    kernels[0] = params[0] = 0;
    for (long n = 0; n < count; n++) {
        const layer *l = layers + n;
        extent e = extent_of(l);
        long room = is_sparse(l) ? sparse_room(l) : e.dense * LANES;
        most_room = room > most_room ? room : most_room;
        most_in = e.in > most_in ? e.in : most_in;
        kernels[n + 1] = kernels[n] + l->outputs * 3 * e.kernel_row * LANES;
        params[n + 1] = params[n] + e.weights + l->outputs;
    }
    float *packed = allocate(kernels[count]), *grads = allocate(groups * params[count]);
    int done = packed && grads;
    for (long n = 0; n < count && done; n++)
        if (is_sparse(layers + n))
            pack_rows(layers + n, packed + kernels[n]);
        else if (n || in_grad)
            pack_turned(layers + n, packed + kernels[n]);
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
                (is_sparse(l) ? backward_pooled : backward_dense)(
                    l, packed + kernels[n], (n ? l[-1].out : in) + g * e.in, grad,
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
