/* One layer's forward and backward pass, several outputs of a row at a time. */

#include "conv3x3.h"

/* Stores a weight with those of BLOCK channels side by side: channels/BLOCK x others x TAPS x BLOCK, or
   with pairs of others. */
INLINE void put(float weight, float *packed, long channel, long other, long others, long tap,
                int pairs)
{
    long fold = pairs ? 2 : 1, block = channel / BLOCK * others + other / fold * fold;
    long at = (block / fold * TAPS + tap) * BLOCK + channel % BLOCK;
    if (pairs)
        ((bfloat16 *)packed)[2 * at + other % 2] = to_bfloat16(weight);
    else
        packed[at] = weight;
}

void pack(const layer *l, float *packed)
{
    for (long o = 0; o < l->outputs; o++)
        for (long i = 0; i < l->inputs; i++)
            for (long tap = 0; tap < TAPS; tap++)
                put(l->weights[(o * l->inputs + i) * TAPS + tap], packed, o, i, l->inputs, tap,
                    l->pairs);
}

/* Pairs each channel with the next one. */
static void pair_channels(const vec *in, long channels, long pixels, vec *pairs)
{
    for (long c = 0; c < channels; c += 2)
        pair_up(in + c * pixels, in + (c + 1) * pixels, pairs + c / 2 * pixels, pixels);
}

/* Pairs each of a channel's first `count` rows with the one `apart` rows below it, or with zeros. */
static void pair_rows(const vec *in, long channels, long rows, long columns, long count, long apart,
                      vec *pairs)
{
    for (long c = 0; c < channels; c++)
        for (long y = 0; y < count; y++) {
            const vec *row = in + (c * rows + y) * columns;
            pair_up(row, y + apart < rows ? row + apart * columns : NULL,
                    pairs + (c * count + y) * columns, columns);
        }
}

/* An array of channels, from one of its rows on. */
typedef struct {
    const vec *at;
    long channels, channel_step, row_step;
} view;

/* Adds the products with the kernel rows first..last-1 to `width` outputs of a row in BLOCK channels. */
INLINE void dot(view in, int first, int last, const float *weights, vec *out, long out_step,
                const int pairs, const int width)
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
                    sum[b][i] = multiply_add(sum[b][i], broadcast(w + b), x[i], pairs);
        }
    for (int b = 0; b < BLOCK; b++)
        for (int i = 0; i < width; i++)
            out[b * out_step + i] = sum[b][i];
}

/* The same for a whole row, in pieces of nearly equal width. Constant widths keep sums in registers. */
INLINE void add_pieces(view in, int first, int last, const float *weights, vec *out, long out_step,
                       long columns, const int pairs)
{
    long pieces = (columns + WIDTH - 1) / WIDTH, x = 0;
    for (long piece = 1; piece <= pieces; piece++) {
        long width = piece * columns / pieces - x;
        switch (width) {
        case 1: dot(in, first, last, weights, out + x, out_step, pairs, 1); break;
        case 2: dot(in, first, last, weights, out + x, out_step, pairs, 2); break;
        case 3: dot(in, first, last, weights, out + x, out_step, pairs, 3); break;
        case 4: dot(in, first, last, weights, out + x, out_step, pairs, 4); break;
        case 5: dot(in, first, last, weights, out + x, out_step, pairs, 5); break;
        case 6: dot(in, first, last, weights, out + x, out_step, pairs, 6); break;
        }
        in.at += width;
        x += width;
    }
}

static void add_row(view in, int first, int last, const float *weights, vec *out, long out_step,
                    long columns, int pairs)
{
    if (pairs)
        add_pieces(in, first, last, weights, out, out_step, columns, 1);
    else
        add_pieces(in, first, last, weights, out, out_step, columns, 0);
}

INLINE void keep_larger(vec *best, ints *index, vec other, int number)
{
    ints larger = other > *best;
    *best = choose(larger, other, *best);
    *index = (larger & number) | (*index & ~larger);
}

/* One row of outputs: the max-pool of two rows, if there is one, and the ReLU, if there is one.
   argmax: which of the four values was taken, or NONE where the ReLU gave 0. */
static void pool_and_relu(const vec *upper, const vec *lower, vec *out, bytes *argmax, long columns,
                          int pooled, int relu)
{
    for (long x = 0; x < columns; x++) {
        const vec *corners[4] = {upper + 2 * x, upper + 2 * x + 1, lower + 2 * x, lower + 2 * x + 1};
        vec best = pooled ? *corners[0] : upper[x];
        ints index = {0};
        for (int i = 1; i < 4 && pooled; i++)
            keep_larger(&best, &index, *corners[i], i);
        if (relu)
            keep_larger(&best, &index, (vec){0}, NONE);
        out[x] = best;
        argmax[x] = narrow(index);
    }
}

/* Floats of scratch space for forward_layer. */
long forward_scratch(const layer *l) { return l->pairs ? extent_of(l).in / 2 * LANES : 0; }

/* The forward pass of one group. */
void forward_layer(const layer *l, const float *packed, const vec *in, long group, vec *scratch)
{
    extent e = extent_of(l);
    long used = e.wide * e.step, channels = l->pairs ? l->inputs / 2 : l->inputs;
    if (l->pairs) {
        pair_channels(in, l->inputs, l->rows * l->columns, scratch);
        in = scratch;
    }
    for (long y = 0; y < e.high; y++)
        for (long o = 0; o < l->outputs; o += BLOCK) {
            vec lines[2][BLOCK][used];
            for (long r = 0; r < e.step; r++) {
                view from = {in + (y * e.step + r) * l->columns, channels, l->rows * l->columns,
                             l->columns};
                for (int b = 0; b < BLOCK; b++)
                    for (long x = 0; x < used; x++)
                        lines[r][b][x] = (vec){0} + l->bias[o + b];
                add_row(from, 0, 3, packed + o * channels * TAPS, lines[r][0], used, used,
                        l->pairs);
            }
            for (int b = 0; b < BLOCK; b++) {
                long at = group * e.out + ((o + b) * e.high + y) * e.wide;
                pool_and_relu(lines[0][b], lines[1][b], l->out + at, l->argmax + at, e.wide,
                              l->pooled, l->relu);
            }
        }
}

/* Columns of the output gradient, padded by 2 on both sides. */
static long row_step(const layer *l) { return extent_of(l).wide * extent_of(l).step + 4; }

static long packed(const layer *l)
{
    return (l->inputs + BLOCK - 1) / BLOCK * BLOCK * l->outputs * TAPS;
}

static long scratch(const layer *l)
{
    extent e = extent_of(l);
    long rows = e.high * e.step, floats = l->outputs * rows * row_step(l) * LANES;
    if (!l->pairs)
        return floats;
    long pairs = (rows + 1) / 2;
    long more = l->outputs * pairs * row_step(l) + l->inputs * (pairs + 2) * l->columns;
    return floats + more * LANES;
}

/* Like pack, with outputs and inputs exchanged and the kernels rotated by 180 degrees. */
static void pack_turned(const layer *l, float *packed)
{
    for (long o = 0; o < l->outputs; o++)
        for (long i = 0; i < l->inputs; i++)
            for (long tap = 0; tap < TAPS; tap++)
                put(l->weights[(o * l->inputs + i) * TAPS + tap], packed, i, o, l->outputs,
                    TAPS - 1 - tap, l->pairs);
}

/* Takes one output's gradient back through ReLU and pool, pads each row with two zeros on both sides,
   and returns the sum of the gradient. */
INLINE float unpool(const vec *grad, const bytes *argmax, vec *to, long high, long wide,
                    const int step)
{
    long columns = wide * step + 4;
    vec sum = {0};
    for (long y = 0; y < high; y++) {
        for (int r = 0; r < step; r++)
            for (int i = 0; i < 4; i++)
                to[r * columns + (i < 2 ? i : columns - 4 + i)] = (vec){0};
        for (long x = 0; x < wide; x++) {
            ints index = widen(*argmax++);
            vec value = *grad++;
            sum += (vec)((ints)value & (index != NONE));
            for (int i = 0; i < step * step; i++)
                to[i / step * columns + 2 + x * step + i % step] =
                    (vec)((ints)value & (index == i / step * 2 + i % step));
        }
        to += step * columns;
    }
    return total(&sum);
}

/* The gradients of one kernel row of BLOCK outputs: an input's rows times the output gradients. */
INLINE void correlate(const vec *in, long in_step, view grads, long rows, long columns,
                      float *result, long result_step, const int pairs)
{
    vec sum[3][BLOCK] = {0};
    for (long y = 0; y < rows; y++) {
        const vec *x = in + y * in_step, *grad = grads.at + y * grads.row_step;
#pragma GCC unroll 2
        for (long i = 0; i < columns; i++)
            for (int b = 0; b < BLOCK; b++)
                for (int k = 0; k < 3; k++)
                    sum[k][b] =
                        multiply_add(sum[k][b], grad[b * grads.channel_step + i], x[i + k], pairs);
    }
    for (int k = 0; k < 3; k++)
        for (int b = 0; b < BLOCK; b++)
            result[b * result_step + k] = total(&sum[k][b]);
}

/* The input gradient: the output gradient correlated with the kernels rotated by 180 degrees. */
static void input_gradient(view grads, long grad_rows, const float *turned, vec *in_grad,
                           long inputs, long rows, long columns, int pairs)
{
    for (long i = 0; i < inputs * rows * columns; i++)
        in_grad[i] = (vec){0};
    for (long y = 0; y < grad_rows + 2; y++) {
        int first = y < 2 ? 2 - y : 0, last = grad_rows + 2 - y < 3 ? grad_rows + 2 - y : 3;
        view from = grads;
        from.at += (y - 2) * grads.row_step;
        for (long c = 0; c < inputs; c += BLOCK)
            add_row(from, first, last, turned + c * grads.channels * TAPS,
                    in_grad + (c * rows + y) * columns, rows * columns, grads.row_step - 2, pairs);
    }
}

/* in: channels x in_rows x columns; grads: `rows` rows, without padding. */
INLINE void weight_gradient(const layer *l, const vec *in, long in_rows, view grads, long rows,
                            float *weight_grads, const int pairs)
{
    for (long o = 0; o < l->outputs; o += BLOCK) {
        float *to = weight_grads + o * l->inputs * TAPS;
        for (long c = 0; c < l->inputs; c++)
            for (int k = 0; k < 3; k++)
                correlate(in + (c * in_rows + k) * l->columns, l->columns, grads, rows,
                          grads.row_step - 4, to + c * TAPS + 3 * k, l->inputs * TAPS, pairs);
        grads.at += BLOCK * grads.channel_step;
    }
}

static void group_backward(const layer *l, const float *turned, const vec *in, const vec *out_grad,
                           const bytes *argmax, vec *in_grad, float *weight_grads,
                           float *bias_grads, vec *scratch)
{
    extent e = extent_of(l);
    long rows = e.high * e.step, step = row_step(l);
    view grads = {scratch, l->outputs, rows * step, step};
    for (long o = 0; o < l->outputs; o++) {
        long at = o * e.high * e.wide;
        vec *to = scratch + o * grads.channel_step;
        bias_grads[o] = l->pooled ? unpool(out_grad + at, argmax + at, to, e.high, e.wide, 2)
                                  : unpool(out_grad + at, argmax + at, to, e.high, e.wide, 1);
    }
    if (!l->pairs) {
        if (in_grad)
            input_gradient(grads, rows, turned, in_grad, l->inputs, l->rows, l->columns, 0);
        grads.at += 2;
        weight_gradient(l, in, l->rows, grads, rows, weight_grads, 0);
        return;
    }
    vec *paired = scratch + l->outputs * grads.channel_step;
    if (in_grad) {
        pair_channels(scratch, l->outputs, grads.channel_step, paired);
        view pairs = {paired, l->outputs / 2, grads.channel_step, step};
        input_gradient(pairs, rows, turned, in_grad, l->inputs, l->rows, l->columns, 1);
    }
    long half = (rows + 1) / 2; /* each row is paired with the one this far below */
    vec *in_pairs = paired + l->outputs * half * step;
    pair_rows(scratch, l->outputs, rows, step, half, half, paired);
    pair_rows(in, l->inputs, l->rows, l->columns, half + 2, half, in_pairs);
    view pairs = {paired + 2, l->outputs, half * step, step};
    weight_gradient(l, in_pairs, half + 2, pairs, half, weight_grads, 1);
}

const backward_pass dense = {packed, scratch, pack_turned, group_backward};
