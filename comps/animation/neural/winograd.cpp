// Convolutions of pictures in float32 by Winograd's method; built and called by fused_winograd.py.

#include "winograd.h"

namespace {

constexpr int64_t SUMMED = 64;

class Float32Products {
  public:
    typedef float Number;
    static constexpr bool QUANTIZED = false;

    // `weights` are [points][outputs / COLUMNS][depth][COLUMNS], 64 bytes aligned.
    Float32Products(const float *weights, int64_t depth) : weights(weights), depth(depth) {}

    // Not a power of two, which would let all rows fall on the same lines of a cache.
    static int64_t row_length(int64_t depth) { return rounded_up(depth, LANES) + LANES; }

    // The kernels of COLUMNS outputs from `output` on, and how many bytes they take.
    const float *kernels(int64_t output) const { return weights + output * depth; }
    int64_t bytes() const { return 4 * COLUMNS * depth; }
    int64_t steps() const { return depth; }

    void multiply(int64_t count, const float *rows, int64_t row, const float *, int64_t output, float *to, int64_t to_row,
                  Ahead ahead) const {
        with_rows(count, [&](auto some) { multiply_rows<some>(rows, row, kernels(output), to, to_row, ahead); });
    }

  private:
    // R rows of `a` times `depth` rows of COLUMNS numbers of `b`. Sums are made of sums of SUMMED products, whose errors
    // are smaller than those of a single long one.
    template <int R>
    void multiply_rows(const float *a, int64_t a_row, const float *b, float *to, int64_t to_row, Ahead ahead) const {
        for (int64_t done = 0; done < depth; done += SUMMED) {
            Vector low[R] = {}, high[R] = {};
            for (int64_t k = done; k < std::min(depth, done + SUMMED); ++k, b += COLUMNS) {
                ahead.fetch();
                Column<float> column(a + k, a_row);
                const Vector left = *(const Vector *)b, right = *(const Vector *)(b + LANES);
#pragma GCC unroll 16
                for (int r = 0; r < R; ++r) {
                    const float number = *column.row(r);
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
int64_t winograd_columns() { return COLUMNS; }

// As `convolve`; `bias` holds a number for each output channel.
int winograd_convolve(int64_t method, const void *pictures, const float *weights, const float *bias, void *out,
                      const Geometry *geometry) {
    return convolve(method, pictures, Float32Products(weights, geometry->taps * geometry->channels), bias, out, *geometry);
}
}
