/* One step of AdamW (Loshchilov and Hutter, ICLR 2019). */

#include <math.h>

/* Updates params, the running means of the gradients and of their squares, and the number of steps. */
void adamw(float *restrict params, const float *restrict grads, float *restrict mean,
           float *restrict square, float *steps, long count, float lr, float beta1, float beta2,
           float eps, float weight_decay)
{
    *steps += 1;
    float size = lr / (1 - pow(beta1, *steps)), kept = 1 - lr * weight_decay;
    float scale = 1 / sqrt(1 - pow(beta2, *steps));
    for (long i = 0; i < count; i++) {
        mean[i] += (1 - beta1) * (grads[i] - mean[i]);
        square[i] = beta2 * square[i] + (1 - beta2) * grads[i] * grads[i];
        params[i] = kept * params[i] - size * mean[i] / (sqrtf(square[i]) * scale + eps);
    }
}
