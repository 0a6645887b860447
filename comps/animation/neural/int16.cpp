// Convolutions of pictures with products of whole numbers of 16 bits; built by int16_products.py.

#include "int16_products.h"
#include "windows.h"
#include "winograd.h"

extern "C" {

// How many outputs are multiplied at once.
int64_t int16_columns() { return COLUMNS; }

// As `winograd_convolve`.
int int16_winograd(int64_t method, const float *pictures, const int16_t *weights, const float *units, const float *bias,
                   float *out, const Geometry *geometry) {
    const Int16Products products(weights, units, geometry->taps * geometry->channels);
    if (method == 0) return Winograd<Doubling, Int16Products>(pictures, products, bias, out, *geometry).run();
    if (method == 2) return Winograd<TwoTaps, Int16Products>(pictures, products, bias, out, *geometry).run();
    return Winograd<ThreeTaps, Int16Products>(pictures, products, bias, out, *geometry).run();
}

// 0, or 1 when there is no memory for the scratch.
int int16_windows(const float *pictures, const float *bias, float *out, const WindowGeometry *geometry) {
    return Windows(pictures, bias, out, *geometry).run();
}
}
