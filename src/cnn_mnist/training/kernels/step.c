/* A training step up to the gradients: a chain of convolutions, linear layers with a ReLU between
   them, and the cross-entropy of the logits. A thread takes a group of LANES images forward and
   backward through all layers while the group is in its cache. */

#include <math.h>

#include "conv3x3.h"

enum {
    ROWS = 10,   /* of a matrix, computed together */
    CHUNK = 1024 /* gradients that a thread sums at a time */
};

typedef struct {
    const float *weights; /* outputs x inputs; inputs >= LANES */
    const float *bias;
    long inputs, outputs;
} linear;

/* out[r] += the sum over c of weights[r * row_step + c * column_step] * in[c] */
INLINE void multiply_rows(const float *weights, long row_step, long column_step, const vec *in,
                          long columns, vec *out, const int rows)
{
    vec sum[rows];
    for (int r = 0; r < rows; r++)
        sum[r] = out[r];
    for (long c = 0; c < columns; c++)
        for (int r = 0; r < rows; r++)
            sum[r] += weights[r * row_step + c * column_step] * in[c];
    for (int r = 0; r < rows; r++)
        out[r] = sum[r];
}

static void multiply(const float *weights, long row_step, long column_step, const vec *in,
                     long columns, vec *out, long rows)
{
    long r = 0;
    for (; r + ROWS <= rows; r += ROWS)
        multiply_rows(weights + r * row_step, row_step, column_step, in, columns, out + r, ROWS);
    for (; r < rows; r++)
        multiply_rows(weights + r * row_step, row_step, column_step, in, columns, out + r, 1);
}

static void linear_forward(const linear *l, const vec *in, vec *out)
{
    for (long o = 0; o < l->outputs; o++)
        out[o] = (vec){0} + l->bias[o];
    multiply(l->weights, l->inputs, 1, in, l->inputs, out, l->outputs);
}

/* Sums over LANES images of each output's gradient times LANES inputs. */
INLINE void outer(const vec *grads, const float *images, long image_step, float *to, long to_step,
                  const int rows)
{
    vec sum[rows];
    for (int r = 0; r < rows; r++)
        sum[r] = (vec){0};
    for (int lane = 0; lane < LANES; lane++)
        for (int r = 0; r < rows; r++)
            sum[r] += grads[r][lane] * *(const some_floats *)(images + lane * image_step);
    for (int r = 0; r < rows; r++)
        *(some_floats *)(to + r * to_step) = sum[r];
}

/* images: scratch space for LANES times the inputs. grads: of the weights, then of the bias. */
static void linear_backward(const linear *l, const vec *in, const vec *out_grad, vec *in_grad,
                            float *grads, float *images)
{
    long image_step = round_up(l->inputs);
    deinterleave(in, images, l->inputs, 1, image_step);
    for (long begin = 0; begin < l->inputs; begin += LANES) {
        long i = begin < l->inputs - LANES ? begin : l->inputs - LANES, o = 0;
        for (; o + ROWS <= l->outputs; o += ROWS)
            outer(out_grad + o, images + i, image_step, grads + o * l->inputs + i, l->inputs, ROWS);
        for (; o < l->outputs; o++)
            outer(out_grad + o, images + i, image_step, grads + o * l->inputs + i, l->inputs, 1);
    }
    for (long o = 0; o < l->outputs; o++)
        grads[l->outputs * l->inputs + o] = total(out_grad + o);
    memset(in_grad, 0, l->inputs * sizeof(vec));
    multiply(l->weights, 1, l->inputs, out_grad, l->outputs, in_grad, l->inputs);
}

/* Replaces the logits by the gradient of the cross-entropy with labels of which a share, the smoothing,
   is spread over all classes, times weight. Adds the losses without smoothing and the number of correct
   answers to totals. Negative labels are ignored. */
static void cross_entropy(vec *logits, long classes, const int64_t *labels, float weight,
                          float smoothing, float *totals)
{
    for (int lane = 0; lane < LANES; lane++) {
        long label = labels[lane], best = 0;
        float sum = 0;
        for (long c = 1; c < classes; c++)
            best = logits[c][lane] > logits[best][lane] ? c : best;
        float most = logits[best][lane], right = label < 0 ? 0 : logits[label][lane] - most;
        for (long c = 0; c < classes; c++)
            sum += logits[c][lane] = expf(logits[c][lane] - most);
        for (long c = 0; c < classes; c++) {
            float target = smoothing / classes + (c == label) * (1 - smoothing);
            logits[c][lane] = label < 0 ? 0 : weight * (logits[c][lane] / sum - target);
        }
        totals[0] += label < 0 ? 0 : logf(sum) - right;
        totals[1] += best == label;
    }
}

/* The linear layers' forward and backward pass. values: the inputs, then room for each layer's outputs.
   value_grads: same shape; it receives the gradients, first those of the inputs. */
static void classify(const linear *layers, long count, vec *values, vec *value_grads,
                     const int64_t *labels, float weight, float smoothing, float *grads,
                     float *images, float *totals)
{
    for (long n = 0; n < count; n++) {
        vec *out = values + layers[n].inputs;
        linear_forward(layers + n, values, out);
        for (long o = 0; o < layers[n].outputs && n + 1 < count; o++)
            out[o] = choose(out[o] > 0, out[o], (vec){0});
        values = out;
        value_grads += layers[n].inputs;
        grads += (layers[n].inputs + 1) * layers[n].outputs;
    }
    long classes = layers[count - 1].outputs;
    memcpy(value_grads, values, classes * sizeof(vec));
    cross_entropy(value_grads, classes, labels, weight, smoothing, totals);
    for (long n = count - 1; n >= 0; n--) {
        const linear *l = layers + n;
        vec *in_grad = value_grads - l->inputs;
        values -= l->inputs;
        grads -= (l->inputs + 1) * l->outputs;
        linear_backward(l, values, value_grads, in_grad, grads, images);
        for (long i = 0; i < l->inputs && n; i++)
            in_grad[i] = choose(values[i] > 0, in_grad[i], (vec){0});
        value_grads = in_grad;
    }
}

/* Interleaves LANES images' first rows and columns, as many as the first layer takes, each pixel times
   scale and plus offset. Reads up to LANES floats beyond the last of these rows. */
static void interleave_normalized(const float *images, long side, const layer *first, float scale,
                                  float offset, vec *out)
{
    for (long y = 0; y < first->rows; y++)
        interleave(images + y * side, out + y * first->columns, first->columns, 1, side * side);
    for (long i = 0; i < first->rows * first->columns; i++)
        out[i] = out[i] * scale + offset;
}

/* images: groups x LANES x side x side, with a label each. weight: of an image's loss. smoothing: of the
   labels. grads: each layer's weights, then its bias, layer after layer. totals: the sum of the losses
   and the number of correct answers. The convs' out and argmax are ignored. Returns 0 if memory is short. */
int step(const float *images, long side, float scale, float offset, const int64_t *labels,
         float weight, float smoothing, const layer *convs, long num_convs, const linear *linears,
         long num_linears, float *grads, float *totals, long groups, int threads)
{
    needs all = needs_of(convs, num_convs);
    long pixels = extent_of(convs).in, params = all.params, outs = pixels, widest = 0;
    long values = linears[num_linears - 1].outputs;
    for (long n = 0; n < num_convs; n++)
        outs += extent_of(convs + n).out;
    for (long n = 0; n < num_linears; n++) {
        params += (linears[n].inputs + 1) * linears[n].outputs;
        values += linears[n].inputs;
        widest = linears[n].inputs > widest ? linears[n].inputs : widest;
    }
    long stride = params + 2; /* a group's gradients and totals */
    float *packed = allocate(all.packed + all.packed_backward), *sums = allocate(groups * stride);
    float *packed_backward = packed + all.packed;
    int ok = packed && sums;
    if (ok) {
        pack_chain(convs, num_convs, packed);
        pack_chain_backward(convs, num_convs, packed_backward);
    }
#pragma omp parallel num_threads(threads)
    {
        long vectors = all.scratch + 2 * all.between + 2 * outs + 2 * values + round_up(widest);
        vec *scratch = (vec *)allocate(vectors * LANES), *in = scratch + all.scratch + 2 * all.between;
        vec *out = in + pixels, *value = in + outs, *value_grad = value + values;
        float *apart = (float *)(value_grad + values);
        bytes *argmax = (bytes *)(apart + LANES * round_up(widest));
        layer mine[num_convs];
        for (long n = 0; n < num_convs; n++) {
            mine[n] = convs[n];
            mine[n].out = n + 1 < num_convs ? out : value;
            mine[n].argmax = argmax;
            out += extent_of(convs + n).out;
            argmax += extent_of(convs + n).out;
        }
        if (!scratch)
            ok = 0;
#pragma omp barrier
#pragma omp for schedule(static)
        for (long g = 0; g < groups; g++)
            if (ok) {
                float *sum = sums + g * stride;
                sum[params] = sum[params + 1] = 0;
                interleave_normalized(images + g * LANES * side * side, side, convs, scale, offset, in);
                chain_forward(in, mine, num_convs, packed, 0, scratch);
                classify(linears, num_linears, value, value_grad, labels + g * LANES, weight,
                         smoothing, sum + all.params, apart, sum + params);
                chain_backward(in, value_grad, NULL, mine, num_convs, packed_backward, sum, 0, scratch);
            }
#pragma omp for schedule(static)
        for (long i = 0; i < params; i += CHUNK)
            if (ok) {
                long count = params - i < CHUNK ? params - i : CHUNK;
                add_groups(sums + i, groups, stride, grads + i, count);
            }
        free(scratch);
    }
    if (ok)
        add_groups(sums + params, groups, stride, totals, 2);
    free(packed);
    free(sums);
    return ok;
}
