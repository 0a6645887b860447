// Vectors of float32 as the processor has them, and the memory that threads work in.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace {

#if defined(__AVX512F__)
constexpr int64_t LANES = 16;
#else
constexpr int64_t LANES = 8;
#endif
constexpr int64_t LINE = 16;  // numbers of float32 in a line of the caches
// A product of matrices goes by ROWS of the one and COLUMNS of the other, whose sums fill the registers.
constexpr int ROWS = LANES == 16 ? 12 : 6;
constexpr int64_t COLUMNS = 2 * LANES;

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4)));

inline int64_t divided_up(int64_t number, int64_t by) { return (number + by - 1) / by; }
inline int64_t rounded_up(int64_t number, int64_t step) { return divided_up(number, step) * step; }

// `work` with its `count`, at most R, as a number that is known to the compiler.
template <int R = ROWS, typename Work>
inline void with_rows(int64_t count, const Work &work) {
    if (count >= R)
        work(std::integral_constant<int, R>());
    else if constexpr (R > 1)
        with_rows<R - 1>(count, work);
}

// `count` numbers, at most LANES, and zeros.
inline Vector loaded(const float *from, int64_t count) {
    if (count >= LANES) return *(const Unaligned *)from;
    Vector some = {};
    std::memcpy(&some, from, 4 * count);
    return some;
}

// Pictures that a layer makes, channels innermost.
class Output {
  public:
    Output(float *data, int64_t channels) : data(data), aligned(channels % LANES == 0 && is_aligned(data)) {}

    // `count` numbers, at most LANES, past the caches where it can be: a layer's output is larger than they are, and
    // nothing of it is read first. `finish` follows the last.
    void store(Vector numbers, int64_t place, int64_t count) const {
        float *to = data + place;
        if (count < LANES)
            std::memcpy(to, &numbers, 4 * count);
        else if (aligned)
#if defined(__AVX512F__)
            _mm512_stream_ps(to, (__m512)numbers);
#else
            _mm256_stream_ps(to, (__m256)numbers);
#endif
        else
            *(Unaligned *)to = numbers;
    }

    // Stores past the caches are in no order without it.
    static void finish() { _mm_sfence(); }

  private:
    static bool is_aligned(const float *data) { return reinterpret_cast<uintptr_t>(data) % sizeof(Vector) == 0; }

    float *data;
    bool aligned;
};

struct Scratch {
    void *data = nullptr;
    int64_t size = 0;
    ~Scratch() { std::free(data); }
    // Null when there is no memory.
    void *at_least(int64_t bytes) {
        if (bytes > size) {
            std::free(data);
            size = rounded_up(bytes, 4096);
            data = std::aligned_alloc(4096, size);
            if (!data) size = 0;
        }
        return data;
    }
};

thread_local Scratch scratch;

}  // namespace
