/* One step of Muon for some matrices among the parameters, and of AdamW for the others. */

#include <math.h>
#include <string.h>

#include "lanes.h"

enum {
    ROWS = 4,    /* of a product, computed together */
    COLUMNS = 2, /* and vectors in each of them */
    SQUARES = 4  /* matrices of scratch space */
};

typedef struct {
    long offset, rows, columns; /* the place and shape among the parameters */
} matrix;

static long shorter(const matrix *m) { return m->rows < m->columns ? m->rows : m->columns; }
static long longer(const matrix *m) { return m->rows + m->columns - shorter(m); }

void adamw(float *params, const float *grads, float *mean, float *square, float *steps, long count,
           float lr, float beta1, float beta2, float eps, float weight_decay);

/* out = weight * left * right + share * right, ROWS or fewer rows and COLUMNS or fewer vectors of it. */
INLINE void product_block(const float *left, long size, const float *right, long row, long column,
                          long stride, float weight, float share, float *out, const int rows,
                          const int columns)
{
    vec sum[rows][columns];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            sum[r][c] = (vec){0};
    for (long k = 0; k < size; k++)
        for (int c = 0; c < columns; c++) {
            vec from = *(const vec *)(right + k * stride + column + c * LANES);
            for (int r = 0; r < rows; r++)
                sum[r][c] += left[(row + r) * round_up(size) + k] * from;
        }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            long place = (row + r) * stride + column + c * LANES;
            *(vec *)(out + place) = weight * sum[r][c] + share * *(const vec *)(right + place);
        }
}

/* The same for a whole matrix. left: size x size; right and out: size x stride. The rows of all are
   full vectors, with zeros at their ends. */
static void product(const float *left, long size, const float *right, long stride, float weight,
                    float share, float *out)
{
    for (long c = 0; c < stride; c += COLUMNS * LANES)
        for (long r = 0; r < size; r += ROWS)
            if (r + ROWS <= size && c + COLUMNS * LANES <= stride)
                product_block(left, size, right, r, c, stride, weight, share, out, ROWS, COLUMNS);
            else
                for (long i = r; i < r + ROWS && i < size; i++)
                    for (long j = c; j < c + COLUMNS * LANES && j < stride; j += LANES)
                        product_block(left, size, right, i, j, stride, weight, share, out, 1, 1);
}

/* out = x times its transpose; x is size x stride. */
static void gram(const float *x, long size, long stride, float *out)
{
    for (long r = 0; r < size; r++)
        for (long c = 0; c <= r; c += ROWS) {
            const float *others[ROWS];
            vec sum[ROWS];
            for (int i = 0; i < ROWS; i++) {
                others[i] = x + (c + i < size ? c + i : size - 1) * stride;
                sum[i] = (vec){0};
            }
            for (long k = 0; k < stride; k += LANES)
                for (int i = 0; i < ROWS; i++)
                    sum[i] += *(const vec *)(x + r * stride + k) * *(const vec *)(others[i] + k);
            for (int i = 0; i < ROWS && c + i < size; i++)
                out[r * round_up(size) + c + i] = out[(c + i) * round_up(size) + r] = total(sum + i);
        }
}

/* out = x, size x stride, with its singular values s brought to about 1 by repeating
   s = a s + b s^3 + c s^5. All steps multiply x by polynomials in x times its transpose, so only the
   last product is as long as x.
   squares: scratch space for SQUARES matrices of size x size, with zeros at the ends of their rows. */
static void orthogonal(const float *x, long size, long stride, float a, float b, float c,
                       int iterations, float *squares, float *out)
{
    long width = round_up(size), count = size * width;
    float *square = squares, *step = square + count, *all = step + count, *spare = all + count;
    float trace = 1e-14f;
    gram(x, size, stride, square);
    for (long i = 0; i < size; i++)
        trace += square[i * width + i];
    for (long i = 0; i < count; i++)
        square[i] /= trace;
    for (int n = 0; n < iterations; n++) {
        product(square, size, square, width, c, b, step);
        for (long i = 0; i < size; i++)
            step[i * width + i] += a;
        if (n == 0)
            memcpy(all, step, count * sizeof(float));
        else {
            product(step, size, all, width, 1, 0, spare);
            float *before = all;
            all = spare;
            spare = before;
        }
        if (n + 1 < iterations) {
            product(step, size, square, width, 1, 0, spare);
            product(step, size, spare, width, 1, 0, square);
        }
    }
    product(all, size, x, stride, 1 / sqrtf(trace), 0, out);
}

/* Arguments as for adamw, but for the matrices. step_rms: root mean square of a step of Muon as a share
   of the learning rate. a, b, c, iterations: as for orthogonal. Returns 0 if memory is short. */
int muon(float *params, const float *grads, float *mean, float *square, float *steps, long count,
         float lr, float beta1, float beta2, float eps, float weight_decay, float step_rms,
         float a, float b, float c, int iterations, const matrix *matrices, long num_matrices)
{
    long largest = 0, widest = 0;
    for (long m = 0; m < num_matrices; m++) {
        long size = shorter(matrices + m), floats = size * round_up(longer(matrices + m));
        largest = floats > largest ? floats : largest;
        widest = size > widest ? size : widest;
    }
    long room = 2 * largest + SQUARES * widest * round_up(widest);
    float *before = allocate(count), *x = allocate(room);
    int ok = before && x;
    if (ok) {
        memcpy(before, params, count * sizeof(float));
        adamw(params, grads, mean, square, steps, count, lr, beta1, beta2, eps, weight_decay);
    }
    for (long m = 0; ok && m < num_matrices; m++) {
        long rows = matrices[m].rows, columns = matrices[m].columns, from = matrices[m].offset;
        long size = shorter(matrices + m), stride = round_up(longer(matrices + m));
        long row_step = rows < columns ? stride : 1, column_step = rows < columns ? 1 : stride;
        memset(x, 0, room * sizeof(float));
        for (long r = 0; r < rows; r++)
            for (long c = 0; c < columns; c++) {
                long i = from + r * columns + c;
                x[r * row_step + c * column_step] = grads[i] + beta1 * (mean[i] - grads[i]);
            }
        float *moved = x + largest;
        orthogonal(x, size, stride, a, b, c, iterations, moved + largest, moved);
        float step = step_rms * sqrtf(longer(matrices + m)) * lr, kept = 1 - lr * weight_decay;
        for (long r = 0; r < rows; r++)
            for (long c = 0; c < columns; c++) {
                long i = from + r * columns + c;
                params[i] = kept * before[i] - step * moved[r * row_step + c * column_step];
            }
    }
    free(before);
    free(x);
    return ok;
}
