/* The backward pass of a pooled layer. A 2x2 max-pool passes on one gradient of four, at a place that
   differs between images. So the images are taken one by one, and only the places with a gradient are
   visited; the input channels of a kernel's row lie side by side. */

#include "conv3x3.h"

/* Vectors for one row of an output's kernels. */
static long kernel_row(const layer *l) { return (l->inputs * 3 + LANES - 1) / LANES; }

static long packed(const layer *l) { return l->outputs * 3 * kernel_row(l) * LANES; }

/* outputs x 3 x kernel_row vectors: 3 x inputs for each row of a kernel, padded with zeros. */
static void pack_rows(const layer *l, float *packed)
{
    long width = kernel_row(l) * LANES;
    memset(packed, 0, l->outputs * 3 * width * sizeof(float));
    for (long o = 0; o < l->outputs; o++)
        for (long i = 0; i < l->inputs; i++)
            for (long tap = 0; tap < TAPS; tap++)
                packed[(o * 3 + tap / 3) * width + tap % 3 * l->inputs + i] =
                    l->weights[(o * l->inputs + i) * TAPS + tap];
}

/* Swaps the upper right and the lower left quarter of each square of 2 step x 2 step values. */
INLINE void exchange(vec *block, const int step)
{
    ints low;
    for (int i = 0; i < LANES; i++)
        low[i] = i & step ? LANES + i - step : i;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        if (!(i & step)) {
            vec upper = block[i], lower = block[i + step];
            block[i] = shuffle(upper, lower, low);
            block[i + step] = shuffle(upper, lower, low + step);
        }
}

/* Transposes LANES x LANES values. */
INLINE void transpose(vec *block)
{
    exchange(block, 1);
    exchange(block, 2);
    exchange(block, 4);
    if (LANES == 16)
        exchange(block, 8);
}

/* channels x pixels x LANES to LANES images of pixels x channels, each image_step floats. */
void deinterleave(const vec *group, float *images, long channels, long pixels, long image_step)
{
    for (long p = 0; p < pixels; p++)
        for (long c = 0; c < channels; c += LANES) {
            vec block[LANES] = {0};
            for (long i = 0; i < LANES && c + i < channels; i++)
                block[i] = group[(c + i) * pixels + p];
            transpose(block);
            for (long lane = 0; lane < LANES; lane++)
                *(some_floats *)(images + lane * image_step + p * channels + c) = block[lane];
        }
}

/* The inverse of deinterleave. */
void interleave(const float *images, vec *group, long channels, long pixels, long image_step)
{
    for (long p = 0; p < pixels; p++)
        for (long c = 0; c < channels; c += LANES) {
            vec block[LANES];
            for (long lane = 0; lane < LANES; lane++)
                block[lane] = *(const some_floats *)(images + lane * image_step + p * channels + c);
            transpose(block);
            for (long i = 0; i < LANES && c + i < channels; i++)
                group[(c + i) * pixels + p] = block[i];
        }
}

/* Copies an image's nonzero gradients, which are LANES apart, and their places; returns how many. */
static long nonzero(const float *grads, const int32_t *places, long count, float *some, int32_t *where)
{
    long found = 0;
    for (long i = 0; i < count; i++) {
        some[found] = grads[i * LANES];
        where[found] = places[i * LANES];
        found += some[found] != 0; /* a branch is not faster */
    }
    return found;
}

/* One output channel of one image: each gradient, at its place, times the inputs is added to sums, and
   times `width` vectors of the kernel's three rows to in_grad. */
INLINE void accumulate(const float *grads, const int32_t *places, long count, const float *in,
                       float *in_grad, long row_step, const vec *kernel, vec *sums,
                       long kernel_row, const int width)
{
    vec sum[3][width], weights[3][width];
    const float *from[3] = {in, in + row_step, in + 2 * row_step};
    float *to[3] = {in_grad, in_grad + row_step, in_grad + 2 * row_step};
    for (int k = 0; k < 3; k++)
        for (int v = 0; v < width; v++) {
            sum[k][v] = sums[k * kernel_row + v];
            weights[k][v] = kernel[k * kernel_row + v];
        }
    for (long i = 0; i < count; i++) {
        float grad = grads[i];
        long place = places[i];
        for (int k = 0; k < 3; k++)
            for (int v = 0; v < width; v++) {
                sum[k][v] += grad * ((const some_floats *)(from[k] + place))[v];
                ((some_floats *)(to[k] + place))[v] += grad * weights[k][v];
            }
    }
    for (int k = 0; k < 3; k++)
        for (int v = 0; v < width; v++)
            sums[k * kernel_row + v] = sum[k][v];
}

/* Sums each output's gradients over rows, columns and lanes. */
static void bias_gradients(const vec *grads, long count, long outputs, float *bias_grads)
{
    for (long o = 0; o < outputs; o++) {
        vec sum = {0};
        for (long i = 0; i < count; i++)
            sum += grads[o * count + i];
        bias_grads[o] = total(&sum);
    }
}

/* Floats of a deinterleaved image, whose last vectors may reach beyond it. */
static long image_size(const layer *l) { return l->rows * l->columns * l->inputs + LANES; }

static long scratch(const layer *l)
{
    extent e = extent_of(l);
    return 2 * LANES * image_size(l) + packed(l) + 2 * e.out * LANES;
}

static void group_backward(const layer *l, const float *kernels, const vec *in, const vec *out_grad,
                           const bytes *argmax, vec *in_grad, float *weight_grads,
                           float *bias_grads, vec *scratch)
{
    extent e = extent_of(l);
    long image = image_size(l), count = e.high * e.wide, row_step = l->columns * l->inputs;
    long wide = kernel_row(l);
    float *images = (float *)scratch, *image_grads = images + LANES * image;
    vec *sums = (vec *)(image_grads + LANES * image), *grads = sums + l->outputs * 3 * wide;
    ints *places = (ints *)(grads + e.out);
    for (long i = 0; i < e.out; i++) {
        int y = i % count / e.wide, x = i % e.wide, pixel = l->inputs, row = l->columns * pixel;
        ints index = widen(argmax[i]), corner = index & 3;
        grads[i] = (vec)((ints)out_grad[i] & (index != NONE));
        places[i] = (2 * y + (corner >> 1)) * row + (2 * x + (corner & 1)) * pixel;
    }
    bias_gradients(grads, count, l->outputs, bias_grads);
    deinterleave(in, images, l->inputs, l->rows * l->columns, image);
    memset(image_grads, 0, LANES * image * sizeof(float));
    memset(sums, 0, l->outputs * 3 * wide * sizeof(vec));
    for (long lane = 0; lane < LANES; lane++)
        for (long o = 0; o < l->outputs; o++) {
            float some[count];
            int32_t where[count];
            long found = nonzero((const float *)(grads + o * count) + lane,
                                 (const int32_t *)(places + o * count) + lane, count, some, where);
            for (long v = 0; v < wide; v += 3) {
                long at = lane * image + v * LANES, row = o * 3 * wide + v;
                const vec *kernel = (const vec *)kernels + row;
#define ACCUMULATE(width)                                                                       \
    accumulate(some, where, found, images + at, image_grads + at, row_step, kernel, sums + row, \
               wide, width)
                switch (wide - v) {
                case 1: ACCUMULATE(1); break;
                case 2: ACCUMULATE(2); break;
                default: ACCUMULATE(3);
                }
            }
        }
    if (in_grad)
        interleave(image_grads, in_grad, l->inputs, l->rows * l->columns, image);
    const float *sum = (const float *)sums;
    for (long o = 0; o < l->outputs; o++)
        for (long i = 0; i < l->inputs; i++)
            for (long tap = 0; tap < TAPS; tap++)
                weight_grads[(o * l->inputs + i) * TAPS + tap] =
                    sum[(o * 3 + tap / 3) * wide * LANES + tap % 3 * l->inputs + i];
}

const backward_pass pooled = {packed, scratch, pack_rows, group_backward};
