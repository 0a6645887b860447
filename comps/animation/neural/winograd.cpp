// Convolutions of pictures in float32 by Winograd's method; built and called by fused_winograd.py.

#include "winograd.h"

namespace {

constexpr int64_t SUMMED = 64;

// A product of matrices goes by ROWS tiles and COLUMNS outputs, whose sums fill the registers.
class Float32Products {
  public:
    typedef float Number;
    static constexpr int64_t ROWS = LANES == 16 ? 12 : 6, COLUMNS = 2 * LANES;
    static constexpr bool APART = false;

    // `weights` are [points][outputs / COLUMNS][depth][COLUMNS], 64 bytes aligned.
    Float32Products(const float *weights, int64_t depth) : weights(weights), depth(depth) {}

    // Not a power of two, which would let all rows fall on the same lines of a cache.
    static int64_t row_length(int64_t depth) { return rounded_up(depth, LANES) + LANES; }

    void multiply(int64_t count, const float *rows, int64_t row, const float *, int64_t first, float *to,
                  int64_t to_row) const {
        multiply_rows(count, rows, row, weights + first * depth, to, to_row);
    }

  private:
    // `count` rows, at most R.
    template <int R = ROWS>
    void multiply_rows(int64_t count, const float *a, int64_t a_row, const float *b, float *to, int64_t to_row) const {
        if (count >= R)
            multiplied<R>(a, a_row, b, to, to_row);
        else if constexpr (R > 1)
            multiply_rows<R - 1>(count, a, a_row, b, to, to_row);
    }

    // R rows of `a` times `depth` rows of COLUMNS numbers of `b`. Sums are made of sums of SUMMED products, whose errors
    // are smaller than those of a single long one.
    template <int R>
    void multiplied(const float *a, int64_t a_row, const float *b, float *to, int64_t to_row) const {
        for (int64_t done = 0; done < depth; done += SUMMED) {
            Vector low[R] = {}, high[R] = {};
            for (int64_t k = done; k < std::min(depth, done + SUMMED); ++k, b += COLUMNS) {
                const Vector left = *(const Vector *)b, right = *(const Vector *)(b + LANES);
#pragma GCC unroll 16
                for (int r = 0; r < R; ++r) {
                    const float number = a[r * a_row + k];
                    low[r] += number * left;
                    high[r] += number * right;
                }
            }
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                Vector *sums = (Vector *)(to + r * to_row);
                sums[0] = done ? sums[0] + low[r] : low[r];
                sums[1] = done ? sums[1] + high[r] : high[r];
            }
        }
    }

    const float *weights;
    int64_t depth;
};

}  // namespace

extern "C" {

// How many outputs are multiplied at once.
int64_t winograd_columns() { return Float32Products::COLUMNS; }

// 0, or 1 when there is no memory for the scratch. `method` is 2 or 3 for the taps of a convolution, 0 for a transposed
// one that doubles; `bias` holds a number for each output channel.
int winograd_convolve(int64_t method, const float *pictures, const float *weights, const float *bias, float *out,
                      const Geometry *geometry) {
    const Float32Products products(weights, geometry->taps * geometry->channels);
    if (method == 0) return Winograd<Doubling, Float32Products>(pictures, products, bias, out, *geometry).run();
    if (method == 2) return Winograd<TwoTaps, Float32Products>(pictures, products, bias, out, *geometry).run();
    return Winograd<ThreeTaps, Float32Products>(pictures, products, bias, out, *geometry).run();
}
}
