// Products of whole numbers of 16 bits, two for the time of one of float32 where the processor has VNNI.
//
// A row of numbers is scaled so that its squares sum up to less than 2^30, kernels so that theirs do to 2^32: by Cauchy's and
// Schwarz's inequality no sum of their products, nor a part of it, leaves 32 bits. So sums are exact, and numbers have some 12
// bits, or 15 where a row is short, where bfloat16 has 8.

#pragma once

#include <cmath>

#include "vectors.h"

namespace {

typedef int32_t Whole __attribute__((vector_size(4 * LANES)));
typedef int16_t Short __attribute__((vector_size(4 * LANES)));

constexpr float LENGTH = 32767;     // of a row, as the root of its squares' sum
constexpr float SHORTEST = 1e-18f;  // that a row counts as, since smaller numbers' squares are lost

#if defined(__AVX512F__)
inline float sum(Vector numbers) { return _mm512_reduce_add_ps((__m512)numbers); }
inline Whole rounded(Vector numbers) { return (Whole)_mm512_cvtps_epi32((__m512)numbers); }
inline Short joined(Whole low, Whole high) {
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);  // packing goes by quarters
    return (Short)_mm512_permutexvar_epi64(order, _mm512_packs_epi32((__m512i)low, (__m512i)high));
}
// `sums`, to each of which the products of two numbers are added.
inline Whole with_products(Whole sums, Whole pair, Whole others) {
#if defined(__AVX512VNNI__)
    return (Whole)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)pair, (__m512i)others);
#else
    return sums + (Whole)_mm512_madd_epi16((__m512i)pair, (__m512i)others);
#endif
}
#else
inline float sum(Vector numbers) {
    float total = 0;
    for (int64_t lane = 0; lane < LANES; ++lane) total += numbers[lane];
    return total;
}
inline Whole rounded(Vector numbers) { return (Whole)_mm256_cvtps_epi32((__m256)numbers); }
inline Short joined(Whole low, Whole high) {
    return (Short)_mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)low, (__m256i)high), 0xD8);
}
inline Whole with_products(Whole sums, Whole pair, Whole others) {
#if defined(__AVXVNNI__)
    return (Whole)_mm256_dpwssd_avx_epi32((__m256i)sums, (__m256i)pair, (__m256i)others);
#else
    return sums + (Whole)_mm256_madd_epi16((__m256i)pair, (__m256i)others);
#endif
}
#endif

class Int16Products {
  public:
    typedef int16_t Number;
    static constexpr bool QUANTIZED = true;

    // `weights` are [points][outputs / COLUMNS][pairs][COLUMNS][2], 64 bytes aligned; `units`, what a kernel's 1 stands
    // for, [points][outputs]. Rows have `depth` numbers.
    Int16Products(const int16_t *weights, const float *units, int64_t depth)
        : weights(weights), units(units), depth(depth), pairs(divided_up(depth, 2)) {
        // Rounding the numbers makes a row longer by half of the root of its depth at most, and the sum of squares has
        // been rounded `depth` times.
        most = LENGTH - 1 - 0.5f * std::sqrt(static_cast<float>(depth)) - 1e-4f * depth;
    }

    // Not a power of two, which would let all rows fall on the same lines of a cache.
    static int64_t row_length(int64_t depth) { return rounded_up(depth, 2 * LANES) + 2 * LINE; }

    // A row from an aligned place, zeros behind it up to 2 * LANES, as whole numbers; returns what 1 stands for.
    // That is no number where one of them is none, is infinite, or exceeds 1e19 / sqrt(depth).
    float quantize(const float *from, int16_t *to) const {
        Vector squares[2] = {};
        for (int64_t k = 0; k < depth; k += 2 * LANES) {
            const Vector *pair = (const Vector *)(from + k);
            squares[0] += pair[0] * pair[0];
            squares[1] += pair[1] * pair[1];
        }
        const float square = sum(squares[0] + squares[1]);
        const float root = _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(square)));  // std::sqrt looks for errors besides
        const float length = square < INFINITY ? std::max(root, SHORTEST) : NAN;
        const float scale = most / length;
        for (int64_t k = 0; k < depth; k += 2 * LANES) {
            const Vector *pair = (const Vector *)(from + k);
            *(Short *)(to + k) = joined(rounded(pair[0] * scale), rounded(pair[1] * scale));
        }
        return length / most;
    }

    // The kernels of COLUMNS outputs from `output` on, and how many bytes they take.
    const int16_t *kernels(int64_t output) const { return weights + 2 * output * pairs; }
    int64_t bytes() const { return 4 * COLUMNS * pairs; }
    int64_t steps() const { return pairs; }

    void multiply(int64_t count, const int16_t *rows, int64_t row, const float *row_units, int64_t output, float *to,
                  int64_t to_row, Ahead ahead) const {
        with_rows(count, [&](auto some) {
            multiply_rows<some>(rows, row, row_units, kernels(output), units + output, to, to_row, ahead);
        });
    }

  private:
    template <int R>
    void multiply_rows(const int16_t *a, int64_t a_row, const float *a_units, const int16_t *b, const float *b_units,
                       float *to, int64_t to_row, Ahead ahead) const {
        Whole low[R] = {}, high[R] = {};
        for (int64_t pair = 0; pair < pairs; ++pair, b += 2 * COLUMNS) {
            ahead.fetch();
            const Whole left = *(const Whole *)b, right = *(const Whole *)(b + COLUMNS);
            Column<int16_t> column(a + 2 * pair, a_row);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                int32_t numbers;
                std::memcpy(&numbers, column.row(r), 4);
                const Whole both = Whole{} + numbers;
                low[r] = with_products(low[r], both, left);
                high[r] = with_products(high[r], both, right);
            }
        }
        const Vector left = loaded(b_units, LANES), right = loaded(b_units + LANES, LANES);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            Vector *sums = (Vector *)(to + r * to_row);
            sums[0] = __builtin_convertvector(low[r], Vector) * (a_units[r] * left);
            sums[1] = __builtin_convertvector(high[r], Vector) * (a_units[r] * right);
        }
    }

    const int16_t *weights;
    const float *units;
    int64_t depth, pairs;
    float most;  // length of a row before its numbers are rounded
};

}  // namespace
