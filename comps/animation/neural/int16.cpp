// Convolutions of pictures with products of whole numbers of 16 bits; built by int16_products.py.

#include "int16_products.h"
#include "windows.h"
#include "winograd.h"

extern "C" {

// How many outputs are multiplied at once.
int64_t int16_columns() { return COLUMNS; }

// As `convolve`; `bias` holds a number for each output channel.
int int16_winograd(int64_t method, const void *pictures, const int16_t *weights, const float *units, const float *bias,
                   void *out, const Geometry *geometry) {
    const Int16Products products(weights, units, geometry->taps * geometry->channels);
    return convolve(method, pictures, products, bias, out, *geometry);
}

// 0, or 1 when there is no memory for the scratch.
int int16_windows(const void *pictures, const float *bias, void *out, const WindowGeometry *geometry) {
    return Windows(pictures, bias, out, *geometry).run();
}
}
