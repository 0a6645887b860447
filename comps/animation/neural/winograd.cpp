// Convolutions of pictures in float32 by Winograd's method, a block of tiles at a time from its pixels to its outputs, so
// that what lies between stays in a cache.
// Built and called by fused_winograd.py, whose `Geometry` mirrors the one here.
//
// A tile's pixels are evaluated at some points each way. At each point all channels of a block's tiles are multiplied with
// the kernels' values there, one matrix product; from its sums at all points follow a tile's outputs.

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

// A product of matrices goes by ROWS tiles and COLUMNS outputs, whose sums fill the registers.
#if defined(__AVX512F__)
constexpr int64_t LANES = 16, ROWS = 12;
#else
constexpr int64_t LANES = 8, ROWS = 6;
#endif
constexpr int64_t COLUMNS = 2 * LANES;
constexpr int64_t LINE = 16;  // numbers in a line of the caches
constexpr int64_t SUMMED = 64;
constexpr int64_t MOST_TILES = 72;      // of a block: more of them share the kernels' way from memory,
constexpr int64_t MOST_BYTES = 8 << 20; // fewer stay in a cache
constexpr int64_t MOST_COLUMNS = 128;   // of the outputs that a block makes at once

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4)));

// `to[n * to_step]` = the sum over k of `matrix[n][k] * from[k * from_step]`.
template <int N, int K>
__attribute__((always_inline)) inline void apply(const float (&matrix)[N][K], const Vector *from, int from_step,
                                                 Vector *to, int to_step) {
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
        Vector sum = {};
        bool begun = false;
#pragma GCC unroll 16
        for (int k = 0; k < K; ++k) {
            const float factor = matrix[n][k];
            if (factor == 0) continue;
            const Vector value = from[k * from_step];
            if (!begun)
                sum = factor == 1 ? value : factor * value;
            else
                sum = factor == 1 ? sum + value : factor == -1 ? sum - value : sum + factor * value;
            begun = true;
        }
        to[n * to_step] = sum;
    }
}

// The methods, each way: the values at POINTS of INPUTS pixels, and the OUTPUTS of the products there. Tiles begin every
// STEP pixels. The points are 0, 1, -1, 2, -1/2 and infinity, as in winograd.py.

// Four outputs of three taps.
struct ThreeTaps {
    static constexpr int INPUTS = 6, POINTS = 6, OUTPUTS = 4, STEP = 4;
    static constexpr float there[POINTS][INPUTS] = {
        {0.5f, 0.75f, -1, -0.75f, 0.5f, 0}, {0, 0.4f, 1, 0.2f, -0.4f, 0}, {0, 0.4f, 0.2f, -1, 0.4f, 0},
        {0, -0.5f, -1, 0.5f, 1, 0},         {0, -1, 0.5f, 1, -0.5f, 0},   {0, 0.5f, 0.75f, -1, -0.75f, 0.5f}};
    static constexpr float back[OUTPUTS][POINTS] = {
        {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -0.5f, 0}, {0, 1, 1, 4, 0.25f, 0}, {0, 1, -1, 8, -0.125f, 1}};
};

// Four outputs of two taps.
struct TwoTaps {
    static constexpr int INPUTS = 5, POINTS = 5, OUTPUTS = 4, STEP = 4;
    static constexpr float there[POINTS][INPUTS] = {{1, -0.5f, -1, 0.5f, 0},
                                                    {0, 1, 0.5f, -0.5f, 0},
                                                    {0, -2 / 3.0f, 1, -1 / 3.0f, 0},
                                                    {0, -1, 0, 1, 0},
                                                    {0, 1, -0.5f, -1, 0.5f}};
    static constexpr float back[OUTPUTS][POINTS] = {
        {1, 1, 1, 1, 0}, {0, 1, -1, 2, 0}, {0, 1, 1, 4, 0}, {0, 1, -1, 8, 1}};
};

// Four outputs of two taps and, before each, one of a single tap: so a transposed convolution of three taps doubles a row.
struct Doubling {
    static constexpr int INPUTS = 5, POINTS = 9, OUTPUTS = 8, STEP = 4;
    static constexpr float there[POINTS][INPUTS] = {
        {1, -0.5f, -1, 0.5f, 0}, {0, 1, 0.5f, -0.5f, 0}, {0, -2 / 3.0f, 1, -1 / 3.0f, 0},
        {0, -1, 0, 1, 0},        {0, 1, -0.5f, -1, 0.5f}, {1, 0, 0, 0, 0},
        {0, 1, 0, 0, 0},         {0, 0, 1, 0, 0},         {0, 0, 0, 1, 0}};
    static constexpr float back[OUTPUTS][POINTS] = {
        {0, 0, 0, 0, 0, 1, 0, 0, 0}, {1, 1, 1, 1, 0, 0, 0, 0, 0},  {0, 0, 0, 0, 0, 0, 1, 0, 0},
        {0, 1, -1, 2, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 1, 0}, {0, 1, 1, 4, 0, 0, 0, 0, 0},
        {0, 0, 0, 0, 0, 0, 0, 0, 1}, {0, 1, -1, 8, 1, 0, 0, 0, 0}};
};

// R rows of `a` times `depth` rows of COLUMNS numbers of `b`. Sums are made of sums of SUMMED products, whose errors are
// smaller than those of a single long one.
template <int R>
void multiply(const float *a, int64_t a_row, const float *b, int64_t depth, float *to, int64_t to_row) {
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

// The same for `rows` rows, at most R.
template <int R = ROWS>
inline void multiply_rows(int64_t rows, const float *a, int64_t a_row, const float *b, int64_t depth, float *to,
                          int64_t to_row) {
    if (rows >= R)
        multiply<R>(a, a_row, b, depth, to, to_row);
    else if constexpr (R > 1)
        multiply_rows<R - 1>(rows, a, a_row, b, depth, to, to_row);
}

inline int64_t divided_up(int64_t number, int64_t by) { return (number + by - 1) / by; }
inline int64_t rounded_up(int64_t number, int64_t step) { return divided_up(number, step) * step; }

struct Scratch {
    float *data = nullptr;
    int64_t size = 0;
    ~Scratch() { std::free(data); }
    float *at_least(int64_t bytes) {
        if (bytes > size) {
            std::free(data);
            size = rounded_up(bytes, 4096);
            data = static_cast<float *>(std::aligned_alloc(4096, size));
            if (!data) size = 0;
        }
        return data;
    }
};

thread_local Scratch scratch;

}  // namespace

extern "C" {

struct Geometry {
    int64_t samples, depth, height, width, channels;  // of the input, channels innermost
    int64_t out_depth, out_height, out_width, out_channels;
    int64_t taps;               // in depth
    int64_t front, top, left;   // zeros before the input
    int64_t rectified;          // whether negative outputs become zero
    int64_t threads;
};

}

namespace {

template <typename Method>
class Convolution {
  public:
    // `weights` are [points][outputs / COLUMNS][taps in depth][channels][COLUMNS], 64 bytes aligned.
    Convolution(const float *pictures, const float *weights, const float *bias, float *out, const Geometry &g)
        : g(g), pictures(pictures), weights(weights), bias(bias), out(out) {
        down = divided_up(g.out_height, Method::OUTPUTS);
        across = divided_up(g.out_width, Method::OUTPUTS);
        total = g.samples * g.out_depth * down * across;
        wide = rounded_up(g.out_channels, COLUMNS);
        columns = std::min(MOST_COLUMNS, wide);
        // Not a power of two, which would let all rows fall on the same lines of a cache.
        row = rounded_up(g.taps * g.channels, LANES) + LANES;
        const int64_t tile_bytes = 4 * SQUARE * (row + columns);
        const int64_t most = std::min(MOST_TILES, std::max(ROWS, MOST_BYTES / tile_bytes / ROWS * ROWS));
        // As many blocks for each thread as for any other.
        const int64_t blocks = rounded_up(divided_up(total, most), g.threads);
        tiles = rounded_up(divided_up(total, blocks), ROWS);
        aligned = g.out_channels % LANES == 0 && reinterpret_cast<uintptr_t>(out) % sizeof(Vector) == 0;
        panel = tiles * row + LANES;
        made_panel = tiles * columns + LANES;
    }

    // 0, or 1 when there is no memory for the scratch.
    int run() const {
        int failed = 0;
#pragma omp parallel num_threads(g.threads) reduction(| : failed)
        {
            float *seen = scratch.at_least(4 * SQUARE * (panel + made_panel));
            failed = seen == nullptr;
#pragma omp for schedule(dynamic, 1)
            for (int64_t first = 0; first < total; first += tiles)
                if (!failed) draw(first, std::min(tiles, total - first), seen, seen + SQUARE * panel);
            _mm_sfence();  // stores past the caches are in no order without it
        }
        return failed;
    }

  private:
    static constexpr int64_t SQUARE = Method::POINTS * Method::POINTS;
    struct Place {
        int64_t sample, depth, down, across;
    };

    // The outputs of `count` tiles from `first` on.
    void draw(int64_t first, int64_t count, float *seen, float *made) const {
        for (int64_t t = 0; t < count; ++t)
            for (int64_t tap = 0; tap < g.taps; ++tap) see(place(first + t), tap, seen + t * row + tap * g.channels);
        for (int64_t channel = 0; channel < wide; channel += columns) {
            const int64_t some = std::min(columns, wide - channel);
            for (int64_t point = 0; point < SQUARE; ++point)
                multiply_all(count, seen + point * panel, point * wide + channel, some, made + point * made_panel);
            for (int64_t t = 0; t < count; ++t)
                show(place(first + t), made + t * columns, channel, std::min(some, g.out_channels - channel));
        }
    }

    Place place(int64_t tile) const {
        const int64_t picture = tile / across / down;
        return {picture / g.out_depth, picture % g.out_depth, tile / across % down, tile % across};
    }

    // A tile at all points, of one of its taps in depth.
    void see(const Place &at, int64_t tap, float *to) const {
        static const float zeros[LANES] = {};
        const float *pixels[Method::INPUTS][Method::INPUTS];
        const int64_t slice = at.depth + tap - g.front;
        for (int y = 0; y < Method::INPUTS; ++y)
            for (int x = 0; x < Method::INPUTS; ++x) {
                const int64_t line = at.down * Method::STEP - g.top + y, column = at.across * Method::STEP - g.left + x;
                const bool inside = slice >= 0 && slice < g.depth && line >= 0 && line < g.height && column >= 0 &&
                                    column < g.width;
                const int64_t pixel = ((at.sample * g.depth + slice) * g.height + line) * g.width + column;
                pixels[y][x] = inside ? pictures + pixel * g.channels : nullptr;
            }
        prefetch(pixels);
        for (int64_t c = 0; c < g.channels; c += LANES) {
            Vector tile[Method::INPUTS * Method::INPUTS], half[Method::POINTS * Method::INPUTS], seen[Method::POINTS];
            for (int y = 0; y < Method::INPUTS; ++y)
                for (int x = 0; x < Method::INPUTS; ++x)
                    tile[y * Method::INPUTS + x] = loaded(pixels[y][x] ? pixels[y][x] + c : zeros, g.channels - c);
            for (int x = 0; x < Method::INPUTS; ++x)
                apply(Method::there, tile + x, Method::INPUTS, half + x, Method::INPUTS);
            for (int y = 0; y < Method::POINTS; ++y) {
                apply(Method::there, half + y * Method::INPUTS, 1, seen, 1);
                // What lies beyond the last channel is written over by the next tap, or never read.
#pragma GCC unroll 16
                for (int x = 0; x < Method::POINTS; ++x)
                    *(Unaligned *)(to + (y * Method::POINTS + x) * panel + c) = seen[x];
            }
        }
    }

    // What the tile after next will read and no tile before it has: the processor does not foresee so many rows.
    void prefetch(const float *const (&pixels)[Method::INPUTS][Method::INPUTS]) const {
        for (int y = 1; y <= Method::STEP; ++y)
            for (int x = 1; x <= Method::STEP; ++x) {
                if (!pixels[y][x]) continue;
                const float *pixel = pixels[y][x] + 2 * Method::STEP * g.channels;
                for (int64_t c = 0; c < g.channels; c += LINE) __builtin_prefetch(pixel + c);
            }
    }

    // `count` tiles at one point times the kernels there, `some` of their outputs from `first` of `weights` on.
    void multiply_all(int64_t count, const float *seen, int64_t first, int64_t some, float *made) const {
        const int64_t depth = g.taps * g.channels;
        for (int64_t column = 0; column < some; column += COLUMNS)
            for (int64_t t = 0; t < count; t += ROWS)
                multiply_rows(std::min(ROWS, count - t), seen + t * row, row, weights + (first + column) * depth, depth,
                              made + t * columns + column, columns);
    }

    // `count` of a tile's outputs from `channel` on, from the sums at all points.
    void show(const Place &at, const float *made, int64_t channel, int64_t count) const {
        const int64_t top = at.down * Method::OUTPUTS, left = at.across * Method::OUTPUTS;
        const int64_t rows = std::min<int64_t>(Method::OUTPUTS, g.out_height - top);
        const int64_t wide = std::min<int64_t>(Method::OUTPUTS, g.out_width - left);
        const int64_t line = ((at.sample * g.out_depth + at.depth) * g.out_height + top) * g.out_width + left;
        for (int64_t c = 0; c < count; c += LANES) {
            Vector points[Method::POINTS], half[Method::OUTPUTS * Method::POINTS];
            for (int x = 0; x < Method::POINTS; ++x) {
#pragma GCC unroll 16
                for (int y = 0; y < Method::POINTS; ++y)
                    points[y] = *(const Vector *)(made + (y * Method::POINTS + x) * made_panel + c);
                apply(Method::back, points, 1, half + x, Method::POINTS);
            }
            const Vector base = loaded(bias + channel + c, count - c);
            for (int64_t y = 0; y < rows; ++y) {
                Vector shown[Method::OUTPUTS];
                apply(Method::back, half + y * Method::POINTS, 1, shown, 1);
                for (int64_t x = 0; x < wide; ++x) {
                    Vector value = shown[x] + base;
                    if (g.rectified) value = value < 0 ? Vector{} : value;
                    store(value, out + (line + y * g.out_width + x) * g.out_channels + channel + c, count - c);
                }
            }
        }
    }

    static Vector loaded(const float *from, int64_t count) {
        if (count >= LANES) return *(const Unaligned *)from;
        Vector some = {};
        std::memcpy(&some, from, 4 * count);
        return some;
    }

    // Past the caches where it can be: a layer's output is larger than they are, and nothing of it is read first.
    void store(Vector numbers, float *to, int64_t count) const {
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

    const Geometry &g;
    const float *pictures, *weights, *bias;
    float *out;
    int64_t down, across, total;  // tiles each way, and of all pictures
    int64_t wide, columns;        // output channels, and of a group of them, as multiplied
    int64_t tiles;                // of a block
    int64_t row, panel, made_panel;  // numbers from tile to tile, and from point to point
    bool aligned;                    // whether vectors of the output are
};

}  // namespace

extern "C" {

// How many outputs are multiplied at once.
int64_t winograd_columns() { return COLUMNS; }

// 0, or 1 when there is no memory for the scratch. `method` is 2 or 3 for the taps of a convolution, 0 for a transposed
// one that doubles; `bias` holds a number for each output channel.
int winograd_convolve(int64_t method, const float *pictures, const float *weights, const float *bias, float *out,
                      const Geometry *geometry) {
    if (method == 0) return Convolution<Doubling>(pictures, weights, bias, out, *geometry).run();
    if (method == 2) return Convolution<TwoTaps>(pictures, weights, bias, out, *geometry).run();
    return Convolution<ThreeTaps>(pictures, weights, bias, out, *geometry).run();
}
}
