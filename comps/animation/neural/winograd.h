// Convolutions of pictures by Winograd's method, a block of tiles at a time from its pixels to its outputs, so that what
// lies between stays in a cache.
//
// A tile's pixels are evaluated at some points each way. At each point all channels of a block's tiles are multiplied with
// the kernels' values there, one matrix product; from its sums at all points follow a tile's outputs. What the products
// are made in is the matter of `Products`, see winograd.cpp and int16_products.h.

#pragma once

#include "vectors.h"

extern "C" {

// `Geometry` of fused_winograd.py mirrors it.
struct Geometry {
    int64_t samples, depth, height, width, channels;  // of the input, channels innermost
    const void *beside;         // pictures with the last of the channels, or null
    int64_t beside_channels;
    int64_t halves, beside_halves, out_halves;  // which pictures are of float16, others of float32
    int64_t out_depth, out_height, out_width, out_channels;
    int64_t taps;               // in depth
    int64_t front, top, left;   // zeros before the input
    int64_t rectified;          // whether negative outputs become zero
    int64_t threads;
};

}

namespace {

// Of a block: the more tiles, the more of them share the kernels' way from memory; the fewer, the more stays in a cache.
constexpr int64_t MOST_TILES = 72, MOST_BYTES = 8 << 20;
constexpr int64_t MOST_COLUMNS = 128;  // of the outputs that a block makes at once

// `to[n * to_step]` = the sum over k of `matrix[n][k] * from[k]`.
template <int N, int K>
__attribute__((always_inline)) inline void apply(const float (&matrix)[N][K], const Vector *from, Vector *to,
                                                 int to_step) {
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
        Vector sum = {};
        bool begun = false;
#pragma GCC unroll 16
        for (int k = 0; k < K; ++k) {
            const float factor = matrix[n][k];
            if (factor == 0) continue;
            const Vector value = from[k];
            if (!begun)
                sum = factor == 1 ? value : factor * value;
            else
                sum = factor == 1 ? sum + value : factor == -1 ? sum - value : sum + factor * value;
            begun = true;
        }
        to[n * to_step] = sum;
    }
}

// The methods, each way: `evaluate` gives the values at POINTS of INPUTS pixels, `interpolate` the OUTPUTS of the products
// there. Tiles begin every STEP pixels. The points are 0, 1, -1, 2, -1/2 and infinity, as in winograd.py.

// Four outputs of three taps. By matrices
//     1/2  3/4  -1  -3/4  1/2   0             1  1   1  1    1   0
//      0   2/5   1   1/5 -2/5   0             0  1  -1  2  -1/2  0
//      0   2/5  1/5  -1   2/5   0             0  1   1  4   1/4  0
//      0  -1/2  -1   1/2   1    0             0  1  -1  8  -1/8  1
//      0   -1   1/2   1  -1/2   0
//      0   1/2  3/4  -1  -3/4  1/2
// whose rows have sums in common.
struct ThreeTaps {
    static constexpr int INPUTS = 6, POINTS = 6, OUTPUTS = 4, STEP = 4;

    __attribute__((always_inline)) static void evaluate(const Vector *x, Vector *to, int to_step) {
        const Vector even = x[4] - x[2], odd = x[3] - x[1];
        to[0] = 0.5f * x[0] + (0.5f * x[4] - (0.75f * odd + x[2]));
        to[to_step] = 0.4f * (x[1] - x[4]) + (0.2f * x[3] + x[2]);
        to[2 * to_step] = 0.4f * (x[1] + x[4]) + (0.2f * x[2] - x[3]);
        to[3 * to_step] = even + 0.5f * odd;
        to[4 * to_step] = odd - 0.5f * even;
        to[5 * to_step] = 0.5f * x[5] + (0.5f * x[1] - (0.75f * even + x[3]));
    }

    __attribute__((always_inline)) static void interpolate(const Vector *at, Vector *to, int to_step) {
        const Vector sum = at[1] + at[2], difference = at[1] - at[2];
        to[0] = at[0] + sum + (at[3] + at[4]);
        to[to_step] = difference + 2 * at[3] - 0.5f * at[4];
        to[2 * to_step] = sum + 4 * at[3] + 0.25f * at[4];
        to[3 * to_step] = difference + 8 * at[3] - 0.125f * at[4] + at[5];
    }
};

// A method by its matrices.
template <typename Matrices>
struct Plain : Matrices {
    __attribute__((always_inline)) static void evaluate(const Vector *x, Vector *to, int to_step) {
        apply(Matrices::there, x, to, to_step);
    }
    __attribute__((always_inline)) static void interpolate(const Vector *at, Vector *to, int to_step) {
        apply(Matrices::back, at, to, to_step);
    }
};

struct FivePoints {
    static constexpr int INPUTS = 5, POINTS = 5;
    static constexpr float there[POINTS][INPUTS] = {{1, -0.5f, -1, 0.5f, 0},
                                                    {0, 1, 0.5f, -0.5f, 0},
                                                    {0, -2 / 3.0f, 1, -1 / 3.0f, 0},
                                                    {0, -1, 0, 1, 0},
                                                    {0, 1, -0.5f, -1, 0.5f}};
};

struct FourOfTwo : FivePoints {
    static constexpr int OUTPUTS = 4, STEP = 4;
    static constexpr float back[OUTPUTS][POINTS] = {
        {1, 1, 1, 1, 0}, {0, 1, -1, 2, 0}, {0, 1, 1, 4, 0}, {0, 1, -1, 8, 1}};
};

struct ThreeOfThree : FivePoints {
    static constexpr int OUTPUTS = 3, STEP = 3;
    static constexpr float back[OUTPUTS][POINTS] = {{1, 1, 1, 1, 0}, {0, 1, -1, 2, 0}, {0, 1, 1, 4, 1}};
};

struct EightOfDoubled {
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

struct SixOfDoubled {
    static constexpr int INPUTS = 4, POINTS = 7, OUTPUTS = 6, STEP = 3;
    static constexpr float there[POINTS][INPUTS] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1},
                                                    {1, 0, 0, 0},  {0, 1, 0, 0}, {0, 0, 1, 0}};
    static constexpr float back[OUTPUTS][POINTS] = {{0, 0, 0, 0, 1, 0, 0}, {1, 1, 1, 0, 0, 0, 0},  {0, 0, 0, 0, 0, 1, 0},
                                                    {0, 1, -1, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 1}, {0, 1, 1, 1, 0, 0, 0}};
};

using TwoTaps = Plain<FourOfTwo>;
// Four outputs of two taps and, before each, one of a single tap: so a transposed convolution of three taps doubles a row.
using Doubling = Plain<EightOfDoubled>;
// Three instead of four, for pictures that tiles of four reach far beyond.
using SmallThreeTaps = Plain<ThreeOfThree>;
using SmallDoubling = Plain<SixOfDoubled>;

// `Products` multiplies rows of `Number`, each what a tile has at one point, with the kernels there:
//   row_length(depth): numbers from row to row for `depth` channels of all taps,
//   QUANTIZED: whether rows are float32 at first, and are made by `quantize`, with a unit for each; pictures may be Half then,
//   multiply(count, rows, row_length, units, output, to, to_row, ahead): `count` rows times the COLUMNS kernels that begin
//     with number `output`, counted through all points; `ahead` fetches in each of `steps()`,
//   kernels(output), bytes(): where these kernels lie, and how many bytes they take.
template <typename Method, typename Products>
class Winograd {
  public:
    Winograd(const void *pictures, const Products &products, const float *bias, void *out, const Geometry &g)
        : g(g), pictures(pictures), products(products), bias(bias), out(out) {
        down = divided_up(g.out_height, Method::OUTPUTS);
        across = divided_up(g.out_width, Method::OUTPUTS);
        total = g.samples * g.out_depth * down * across;
        wide = rounded_up(g.out_channels, COLUMNS);
        columns = std::min(MOST_COLUMNS, wide);
        const int64_t depth = g.taps * g.channels;
        row = Products::row_length(depth);
        const int64_t tile_bytes = SQUARE * (sizeof(Number) * row + 4 * columns);
        const int64_t most = std::min(MOST_TILES, std::max<int64_t>(ROWS, MOST_BYTES / tile_bytes / ROWS * ROWS));
        // As many blocks for each thread as for any other.
        const int64_t blocks = rounded_up(divided_up(total, most), g.threads);
        tiles = rounded_up(divided_up(total, blocks), ROWS);
        panel = tiles * row + 64 / sizeof(Number);
        made_panel = tiles * columns + LINE;
        unrounded_panel = Products::QUANTIZED ? rounded_up(depth, 2 * LANES) + LANES : 0;
    }

    // 0, or 1 when there is no memory for the scratch.
    int run() const {
        int failed = 0;
#pragma omp parallel num_threads(g.threads) reduction(| : failed)
        {
            Block block = {};
            failed = !find_memory(block);
#pragma omp for schedule(dynamic, 1)
            for (int64_t first = 0; first < total; first += tiles)
                if (!failed) compute(first, std::min(tiles, total - first), block);
            finish_output();
        }
        return failed;
    }

  private:
    typedef typename Products::Number Number;
    static constexpr int64_t SQUARE = Method::POINTS * Method::POINTS;
    struct Place {
        int64_t sample, depth, down, across;
    };
    // A tile's pixels, by their numbers.
    struct Pixels {
        int64_t first;  // of the upper left
        bool inside;    // whether all are in the picture
        int64_t each[Method::INPUTS][Method::INPUTS];  // if not; -1 where there is none
    };
    // What a thread works on, each by point.
    struct Block {
        Number *seen;      // tiles
        float *made;       // products
        float *unrounded;  // one tile in float32, if QUANTIZED
        float *units;      // of the tiles
        float *zeros;      // a pixel
    };

    bool find_memory(Block &block) const {
        const int64_t made = SQUARE * made_panel, unrounded = SQUARE * unrounded_panel;
        const int64_t units = SQUARE * tiles, zeros = rounded_up(g.channels, LANES);
        block.made = static_cast<float *>(
            scratch.at_least(4 * (made + unrounded + units + zeros + LANES) + sizeof(Number) * SQUARE * panel));
        if (!block.made) return false;
        block.unrounded = block.made + made;
        block.units = block.unrounded + unrounded;
        block.zeros = block.units + rounded_up(units, LANES);
        block.seen = reinterpret_cast<Number *>(block.zeros + zeros);
        std::fill_n(block.zeros, zeros, 0.0f);
        std::fill_n(block.unrounded, unrounded, 0.0f);  // beyond the last channel it stays so
        return true;
    }

    // The outputs of `count` tiles from `first` on.
    void compute(int64_t first, int64_t count, const Block &block) const {
        Place at = place(first);
        for (int64_t t = 0; t < count; ++t, advance(at)) evaluate_all(at, t, block);
        for (int64_t channel = 0; channel < wide; channel += columns) {
            const int64_t some = std::min(columns, wide - channel);
            for (int64_t point = 0; point < SQUARE; ++point)
                multiply_all(count, point, channel, some, block);
            write_all(first, count, block, channel, some);
        }
    }

    Place place(int64_t tile) const {
        const int64_t picture = tile / across / down;
        return {picture / g.out_depth, picture % g.out_depth, tile / across % down, tile % across};
    }

    // To the next tile.
    void advance(Place &at) const {
        if (++at.across < across) return;
        at.across = 0;
        if (++at.down < down) return;
        at.down = 0;
        if (++at.depth < g.out_depth) return;
        at.depth = 0;
        ++at.sample;
    }

    // A tile at all points, the block's number `t`.
    void evaluate_all(const Place &at, int64_t t, const Block &block) const {
        float *to = Products::QUANTIZED ? block.unrounded : reinterpret_cast<float *>(block.seen + t * row);
        const int64_t step = Products::QUANTIZED ? unrounded_panel : panel;
        for (int64_t tap = 0; tap < g.taps; ++tap, to += g.channels) {
            const Pixels pixels = find(at, tap);
            const int64_t first = g.channels - g.beside_channels;
            evaluate_part(pictures, g.halves, first, pixels, block.zeros, to, step);
            if (g.beside) evaluate_part(g.beside, g.beside_halves, g.beside_channels, pixels, block.zeros, to + first, step);
        }
        if constexpr (Products::QUANTIZED)
            for (int64_t point = 0; point < SQUARE; ++point)
                block.units[point * tiles + t] =
                    products.quantize(block.unrounded + point * unrounded_panel, block.seen + point * panel + t * row);
    }

    // A tile's pixels in one of its taps in depth.
    Pixels find(const Place &at, int64_t tap) const {
        const int64_t slice = at.depth + tap - g.front;
        const int64_t top = at.down * Method::STEP - g.top, left = at.across * Method::STEP - g.left;
        const bool in_depth = slice >= 0 && slice < g.depth;
        Pixels pixels;
        pixels.first = ((at.sample * g.depth + slice) * g.height + top) * g.width + left;
        pixels.inside = in_depth && top >= 0 && top + Method::INPUTS <= g.height && left >= 0 &&
                        left + Method::INPUTS <= g.width;
        if (pixels.inside) return pixels;
        for (int64_t y = 0; y < Method::INPUTS; ++y) {
            const bool in_height = in_depth && top + y >= 0 && top + y < g.height;
            for (int64_t x = 0; x < Method::INPUTS; ++x)
                pixels.each[y][x] =
                    in_height && left + x >= 0 && left + x < g.width ? pixels.first + y * g.width + x : -1;
        }
        return pixels;
    }

    // `channels` of a tile at all points, `step` numbers from each other.
    void evaluate_part(const void *from, bool halves, int64_t channels, const Pixels &pixels, const float *zeros, float *to,
                       int64_t step) const {
        if constexpr (Products::QUANTIZED)
            if (halves) {
                const Half *none = reinterpret_cast<const Half *>(zeros);
                evaluate(static_cast<const Half *>(from), channels, pixels, none, to, step);
                return;
            }
        evaluate(static_cast<const float *>(from), channels, pixels, zeros, to, step);
    }

    template <typename Value>
    void evaluate(const Value *from, int64_t channels, const Pixels &pixels, const Value *zeros, float *to,
                  int64_t step) const {
        const Value *first = from + pixels.first * channels;
        const int64_t line = g.width * channels;
        prefetch(first, line, channels);
        if (pixels.inside) {
            evaluate_at([&](int y, int x) { return first + y * line + x * channels; }, channels, to, step);
            return;
        }
        const Value *places[Method::INPUTS][Method::INPUTS];
        for (int y = 0; y < Method::INPUTS; ++y)
            for (int x = 0; x < Method::INPUTS; ++x)
                places[y][x] = pixels.each[y][x] < 0 ? zeros : from + pixels.each[y][x] * channels;
        evaluate_at([&](int y, int x) { return places[y][x]; }, channels, to, step);
    }

    // What the tile after next will read and no tile before it has: the processor does not foresee so many rows.
    template <typename Value>
    static void prefetch(const Value *first, int64_t line, int64_t channels) {
        for (int64_t y = Method::INPUTS - Method::STEP; y < Method::INPUTS; ++y) {
            const Value *next = first + y * line + (Method::INPUTS + Method::STEP) * channels;
            for (int64_t c = 0; c < Method::STEP * channels; c += 64 / sizeof(Value)) __builtin_prefetch(next + c);
        }
    }

    // `channels` of a tile at all points; `pixel` gives where a pixel lies.
    template <typename Pixel>
    __attribute__((always_inline)) static void evaluate_at(const Pixel &pixel, int64_t channels, float *to, int64_t step) {
        int64_t c = 0;
        for (; c + LANES <= channels; c += LANES)
            evaluate_some([&](int y, int x) { return vector_at(pixel(y, x) + c); }, to + c, step);
        if (c < channels)
            evaluate_some([&](int y, int x) { return loaded(pixel(y, x) + c, channels - c); }, to + c, step);
    }

    // LANES channels of a tile at all points; `pixel` gives them.
    template <typename Pixel>
    __attribute__((always_inline)) static void evaluate_some(const Pixel &pixel, float *to, int64_t step) {
        Vector one_way[Method::POINTS * Method::INPUTS], seen[Method::POINTS];
#pragma GCC unroll 16
        for (int x = 0; x < Method::INPUTS; ++x) {
            Vector column[Method::INPUTS];
#pragma GCC unroll 16
            for (int y = 0; y < Method::INPUTS; ++y) column[y] = pixel(y, x);
            Method::evaluate(column, one_way + x, Method::INPUTS);
        }
#pragma GCC unroll 16
        for (int y = 0; y < Method::POINTS; ++y) {
            Method::evaluate(one_way + y * Method::INPUTS, seen, 1);
            // Beyond the last channel these are zeros; what follows is written over them, or they are never read.
#pragma GCC unroll 16
            for (int x = 0; x < Method::POINTS; ++x)
                *(Unaligned *)(to + (y * Method::POINTS + x) * step) = seen[x];
        }
    }

    // `count` tiles at one point times the kernels there, `some` of their outputs from `channel` on.
    void multiply_all(int64_t count, int64_t point, int64_t channel, int64_t some, const Block &block) const {
        const int64_t first = point * wide + channel;
        for (int64_t column = 0; column < some; column += COLUMNS) {
            int64_t next = first + column + COLUMNS;
            if (column + COLUMNS == some) next = point + 1 < SQUARE ? first + wide : (channel + columns) % wide;
            for (int64_t t = 0; t < count; t += ROWS) {
                const int64_t rows = std::min<int64_t>(ROWS, count - t);
                const Ahead ahead(products.kernels(next), products.bytes(), t, rows, count, products.steps());
                products.multiply(rows, block.seen + point * panel + t * row, row, block.units + point * tiles + t,
                                  first + column, block.made + point * made_panel + t * columns + column, columns, ahead);
            }
        }
    }

    // The outputs of `count` tiles, `some` from `channel` on.
    void write_all(int64_t first, int64_t count, const Block &block, int64_t channel, int64_t some) const {
        if constexpr (Products::QUANTIZED)
            if (g.out_halves) {
                write_all_as<Half>(first, count, block, channel, some);
                return;
            }
        write_all_as<float>(first, count, block, channel, some);
    }

    template <typename Value>
    void write_all_as(int64_t first, int64_t count, const Block &block, int64_t channel, int64_t some) const {
        constexpr int64_t TOGETHER = 64 / sizeof(Value);  // whole lines of the caches, one after the other
        const Output<Value> to(out, g.out_channels, TOGETHER, g.rectified);
        const int64_t end = std::min(some, g.out_channels - channel);
        Place at = place(first);
        for (int64_t t = 0; t < count; ++t, advance(at))
            for (int64_t c = 0; c < end; c += TOGETHER)
                write<TOGETHER / LANES>(at, block.made + t * columns + c, channel + c, std::min(TOGETHER, end - c), to);
    }

    // `count` of a tile's outputs from `channel` on, at most N vectors, from the sums at all points.
    template <int N, typename Value>
    void write(const Place &at, const float *made, int64_t channel, int64_t count, const Output<Value> &to) const {
        const int64_t top = at.down * Method::OUTPUTS, left = at.across * Method::OUTPUTS;
        const int64_t lines = std::min<int64_t>(Method::OUTPUTS, g.out_height - top);
        const int64_t pixels = std::min<int64_t>(Method::OUTPUTS, g.out_width - left);
        const int64_t line = ((at.sample * g.out_depth + at.depth) * g.out_height + top) * g.out_width + left;
        const int64_t vectors = divided_up(count, LANES);
        Vector one_way[N][Method::OUTPUTS * Method::POINTS], base[N], shown[N][Method::OUTPUTS];
        for (int64_t n = 0; n < vectors; ++n) {
            for (int x = 0; x < Method::POINTS; ++x) {
                Vector points[Method::POINTS];
#pragma GCC unroll 16
                for (int y = 0; y < Method::POINTS; ++y)
                    points[y] = *(const Vector *)(made + (y * Method::POINTS + x) * made_panel + n * LANES);
                Method::interpolate(points, one_way[n] + x, Method::POINTS);
            }
            base[n] = loaded(bias + channel + n * LANES, count - n * LANES);
        }
        for (int64_t y = 0; y < lines; ++y) {
            for (int64_t n = 0; n < vectors; ++n) Method::interpolate(one_way[n] + y * Method::POINTS, shown[n], 1);
            for (int64_t x = 0; x < pixels; ++x) {
                const int64_t pixel = (line + y * g.out_width + x) * g.out_channels + channel;
                for (int64_t n = 0; n < vectors; ++n)
                    to.store(shown[n][x] + base[n], pixel + n * LANES, count - n * LANES);
            }
        }
    }

    const Geometry &g;
    const void *pictures;
    const Products &products;
    const float *bias;
    void *out;
    int64_t down, across, total;  // tiles each way, and of all pictures
    int64_t wide, columns;        // output channels, and of a group of them, as multiplied
    int64_t tiles;                // of a block
    int64_t row, panel, made_panel, unrounded_panel;  // numbers from tile to tile, and from point to point
};

// What `method` numbers, as in fused_winograd.py. 0, or 1 when there is no memory for the scratch.
template <typename Products>
int convolve(int64_t method, const void *pictures, const Products &products, const float *bias, void *out,
             const Geometry &g) {
    if (method == 0) return Winograd<TwoTaps, Products>(pictures, products, bias, out, g).run();
    if (method == 1) return Winograd<ThreeTaps, Products>(pictures, products, bias, out, g).run();
    if (method == 2) return Winograd<SmallThreeTaps, Products>(pictures, products, bias, out, g).run();
    if (method == 3) return Winograd<Doubling, Products>(pictures, products, bias, out, g).run();
    return Winograd<SmallDoubling, Products>(pictures, products, bias, out, g).run();
}

}  // namespace
