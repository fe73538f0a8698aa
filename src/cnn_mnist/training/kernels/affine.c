/* Random affine maps of 28x28 images of bytes, bilinear, with 0 outside of the image: `affine` in
   augment/transforms.py, which does the same with torch. */

#include <math.h>
#include <string.h>

#include "lanes.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, WIDE = 32 };

/* Maps an output's x, y in -1..1 to input coordinates: the products of x, y, 1 and each row. */
typedef struct {
    float across[3], along[3];
} map;

/* numbers: five random numbers in -1..1, `count` apart. */
static map map_of(const float *numbers, long count, float rotation, float scale, float shear,
                  float shift)
{
    float angle = numbers[0] * rotation * (float)(M_PI / 180), zoom = expf(numbers[count] * scale);
    float slant = numbers[2 * count] * shear, cos = cosf(angle) / zoom, sin = sinf(angle) / zoom;
    float unit = shift * (2.0f / SIDE), dx = numbers[3 * count] * unit, dy = numbers[4 * count] * unit;
    return (map){{cos, slant * cos - sin, dx}, {sin, slant * sin + cos, dy}};
}

/* An input coordinate in pixels of the padded image, clamped to it. */
INLINE vec source(const float *row, vec x, float y)
{
    const vec least = {0}, most = least + (SIDE + 1);
    vec pixels = (row[0] * x + (row[1] * y + row[2]) + 1) * (SIDE / 2.0f) + 0.5f;
    pixels = choose(pixels > least, pixels, least);
    return choose(pixels < most, pixels, most);
}

/* One of the four bytes of each square. */
INLINE vec byte(ints square, int number) { return real((ints)((words)square >> 8 * number & 255)); }

static void warp(const uint8_t *picture, map m, float *out)
{
    uint8_t padded[(SIDE + 3) * WIDE + 1] = {0};
    for (int y = 0; y < SIDE; y++)
        memcpy(padded + (y + 1) * WIDE + 1, picture + y * SIDE, SIDE);
    uint32_t squares[(SIDE + 2) * WIDE]; /* each pixel and three neighbours, to be gathered at once */
    for (int i = 0; i < (SIDE + 2) * WIDE; i++)
        squares[i] = padded[i] | padded[i + 1] << 8 | padded[i + WIDE] << 16
                   | (uint32_t)padded[i + WIDE + 1] << 24;

    int32_t index[PIXELS], found[PIXELS];
    float right[PIXELS], down[PIXELS];
    vec ramp;
    for (int i = 0; i < LANES; i++)
        ramp[i] = i + 0.5f;
    for (int y = 0; y < SIDE; y++)
        for (int begin = 0; begin < SIDE; begin += LANES) {
            int first = begin < SIDE - LANES ? begin : SIDE - LANES, at = y * SIDE + first;
            vec x = (ramp + (float)first) * (2.0f / SIDE) - 1;
            vec across = source(m.across, x, (y + 0.5f) * (2.0f / SIDE) - 1);
            vec along = source(m.along, x, (y + 0.5f) * (2.0f / SIDE) - 1);
            ints column = __builtin_convertvector(across, ints);
            ints row = __builtin_convertvector(along, ints);
            *(some_ints *)(index + at) = row * WIDE + column;
            *(some_floats *)(right + at) = across - real(column);
            *(some_floats *)(down + at) = along - real(row);
        }
    for (int i = 0; i < PIXELS; i++)
        found[i] = squares[index[i]];
    for (int i = 0; i < PIXELS; i += LANES) {
        ints square = *(some_ints *)(found + i);
        vec a = byte(square, 0), b = byte(square, 1), c = byte(square, 2), d = byte(square, 3);
        vec x = *(some_floats *)(right + i), y = *(some_floats *)(down + i);
        vec upper = a + x * (b - a), lower = c + x * (d - c);
        *(some_floats *)(out + i) = upper + y * (lower - upper);
    }
}

/* numbers: 5 x count, in -1..1, multiplied by the limits of the rotation in degrees, the logarithm of
   the scale, the shear, and the shift in x and in y in pixels. */
void affine(const uint8_t *pictures, const float *numbers, float rotation, float scale, float shear,
            float shift, float *out, long count, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long n = 0; n < count; n++)
        warp(pictures + n * PIXELS, map_of(numbers + n, count, rotation, scale, shear, shift),
             out + n * PIXELS);
}
