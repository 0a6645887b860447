// Vectors of float32 as the processor has them; how they come from memory, are fetched ahead, and go back; and the memory
// that threads work in.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
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

// Numbers one below the other, `step` from each other, asked for from the first on.
template <typename Number>
class Column {
  public:
    Column(const Number *first, int64_t step) : place(first), step(step) {
        // So that the compiler does not see that all places of a loop go forward alike: it would keep each of them in a
        // register of its own, and there are fewer.
        asm("" : "+r"(place));
    }

    __attribute__((always_inline)) const Number *row(int number) {
        if (number % 3 == 0 && number) place += 3 * step;
        return place + number % 3 * step;  // which instructions add by themselves
    }

  private:
    const Number *place;
    int64_t step;
};

// Memory that is needed next, brought into the second-level cache while something else is done: a bit with each step of it.
class Ahead {
  public:
    // The share of the `bytes` after `from` that falls to `count` of `all` rows from `first` on, each with `steps`.
    Ahead(const void *from, int64_t bytes, int64_t first, int64_t count, int64_t all, int64_t steps)
        : place(static_cast<const char *>(from) + bytes * first / all), step(bytes * count / (all * steps)) {}

    void fetch() {
        __builtin_prefetch(place, 0, 2);
        place += step;
    }

  private:
    const char *place;
    int64_t step;
};

// A number of float16, as it lies in memory.
struct Half {
    uint16_t bits;
};

inline Vector vector_at(const float *from) { return *(const Unaligned *)from; }
#if defined(__AVX512F__)
inline Vector vector_at(const Half *from) { return (Vector)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from)); }
#else
inline Vector vector_at(const Half *from) { return (Vector)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)); }
#endif

// `count` numbers, at most LANES, and zeros.
template <typename Number>
inline Vector loaded(const Number *from, int64_t count) {
    if (count >= LANES) return vector_at(from);
    Number some[LANES] = {};
    std::memcpy(some, from, sizeof(Number) * count);
    return vector_at(some);
}

// Pictures that a layer makes, channels innermost, of float32 or Half, without negative numbers if `rectified`.
template <typename Number>
class Output {
  public:
    // `together` of a pixel's channels are stored one vector after the other.
    Output(void *data, int64_t channels, int64_t together, bool rectified)
        : data(static_cast<Number *>(data)),
          least(Vector{} + (rectified ? 0 : -LARGEST)),
          past_caches(together % NUMBERS == 0 && channels % NUMBERS == 0 && reinterpret_cast<uintptr_t>(data) % 64 == 0) {}

    // `count` numbers, at most LANES, past the caches where it can be: a layer's output is larger than they are, and
    // nothing of it is read first. `finish_output` follows the last.
    void store(Vector numbers, int64_t place, int64_t count) const {
        Number *to = data + place;
        const Vector shown = within(numbers);
        if (count < LANES) {
            Number some[LANES];
            put<false>(shown, some);
            std::memcpy(to, some, sizeof(Number) * count);
        } else if (past_caches) {
            put<true>(shown, to);
        } else {
            put<false>(shown, to);
        }
    }

  private:
    static constexpr int64_t NUMBERS = 64 / sizeof(Number);  // in a line of the caches
    // Stands for all beyond it.
    static constexpr float LARGEST = std::is_same<Number, Half>::value ? 65504 : std::numeric_limits<float>::infinity();

    // What is no number stays so: of the operands of min and max the second is taken then.
#if defined(__AVX512F__)
    Vector within(Vector numbers) const {
        return (Vector)_mm512_max_ps((__m512)least, _mm512_min_ps(_mm512_set1_ps(LARGEST), (__m512)numbers));
    }
    template <bool PAST_CACHES>
    static void put(Vector numbers, float *to) {
        PAST_CACHES ? _mm512_stream_ps(to, (__m512)numbers) : _mm512_storeu_ps(to, (__m512)numbers);
    }
    template <bool PAST_CACHES>
    static void put(Vector numbers, Half *to) {
        const __m256i halves = _mm512_cvtps_ph((__m512)numbers, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        PAST_CACHES ? _mm256_stream_si256((__m256i *)to, halves) : _mm256_storeu_si256((__m256i *)to, halves);
    }
#else
    Vector within(Vector numbers) const {
        return (Vector)_mm256_max_ps((__m256)least, _mm256_min_ps(_mm256_set1_ps(LARGEST), (__m256)numbers));
    }
    template <bool PAST_CACHES>
    static void put(Vector numbers, float *to) {
        PAST_CACHES ? _mm256_stream_ps(to, (__m256)numbers) : _mm256_storeu_ps(to, (__m256)numbers);
    }
    template <bool PAST_CACHES>
    static void put(Vector numbers, Half *to) {
        const __m128i halves = _mm256_cvtps_ph((__m256)numbers, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        PAST_CACHES ? _mm_stream_si128((__m128i *)to, halves) : _mm_storeu_si128((__m128i *)to, halves);
    }
#endif

    Number *data;
    Vector least;
    bool past_caches;
};

// Stores past the caches are in no order without it.
inline void finish_output() { _mm_sfence(); }

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
