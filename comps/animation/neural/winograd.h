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
    const float *beside;        // pictures with the last of the channels, or null
    int64_t beside_channels;
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

// `Products` multiplies rows of `Number`, each what a tile has at one point, with the kernels there:
//   row_length(depth): numbers from row to row for `depth` channels of all taps,
//   QUANTIZED: whether rows are float32 at first, and are made by `quantize`, with a unit for each,
//   multiply(count, rows, row_length, units, output, to, to_row): `count` rows times the COLUMNS kernels that begin with
//     number `output`, counted through all points.
template <typename Method, typename Products>
class Winograd {
  public:
    Winograd(const float *pictures, const Products &products, const float *bias, float *out, const Geometry &g)
        : g(g), pictures(pictures), products(products), bias(bias), out(out, g.out_channels) {
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
            Output::finish();
        }
        return failed;
    }

  private:
    typedef typename Products::Number Number;
    static constexpr int64_t SQUARE = Method::POINTS * Method::POINTS;
    struct Place {
        int64_t sample, depth, down, across;
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
        for (int64_t t = 0; t < count; ++t) evaluate_all(place(first + t), t, block);
        for (int64_t channel = 0; channel < wide; channel += columns) {
            const int64_t some = std::min(columns, wide - channel);
            for (int64_t point = 0; point < SQUARE; ++point)
                multiply_all(count, point, channel, some, block);
            for (int64_t t = 0; t < count; ++t)
                write(place(first + t), block.made + t * columns, channel, std::min(some, g.out_channels - channel));
        }
    }

    Place place(int64_t tile) const {
        const int64_t picture = tile / across / down;
        return {picture / g.out_depth, picture % g.out_depth, tile / across % down, tile % across};
    }

    // A tile at all points, the block's number `t`.
    void evaluate_all(const Place &at, int64_t t, const Block &block) const {
        float *to = Products::QUANTIZED ? block.unrounded : reinterpret_cast<float *>(block.seen + t * row);
        const int64_t step = Products::QUANTIZED ? unrounded_panel : panel;
        for (int64_t tap = 0; tap < g.taps; ++tap, to += g.channels) {
            int64_t pixels[Method::INPUTS][Method::INPUTS];
            find(at, tap, pixels);
            const int64_t first = g.channels - g.beside_channels;
            evaluate(pictures, first, pixels, block.zeros, to, step);
            if (g.beside) evaluate(g.beside, g.beside_channels, pixels, block.zeros, to + first, step);
        }
        if constexpr (Products::QUANTIZED)
            for (int64_t point = 0; point < SQUARE; ++point)
                block.units[point * tiles + t] =
                    Products::quantize(block.unrounded + point * unrounded_panel, g.taps * g.channels,
                                       block.seen + point * panel + t * row);
    }

    // The numbers of a tile's pixels in one of its taps in depth; -1 where there is none.
    void find(const Place &at, int64_t tap, int64_t (&pixels)[Method::INPUTS][Method::INPUTS]) const {
        const int64_t slice = at.depth + tap - g.front;
        const int64_t top = at.down * Method::STEP - g.top, left = at.across * Method::STEP - g.left;
        const bool in_depth = slice >= 0 && slice < g.depth;
        for (int y = 0; y < Method::INPUTS; ++y) {
            const bool in_height = in_depth && top + y >= 0 && top + y < g.height;
            const int64_t line = ((at.sample * g.depth + slice) * g.height + top + y) * g.width + left;
            for (int x = 0; x < Method::INPUTS; ++x)
                pixels[y][x] = in_height && left + x >= 0 && left + x < g.width ? line + x : -1;
        }
    }

    // `channels` of a tile at all points, `step` numbers from each other.
    void evaluate(const float *from, int64_t channels, const int64_t (&pixels)[Method::INPUTS][Method::INPUTS],
                  const float *zeros, float *to, int64_t step) const {
        const float *places[Method::INPUTS][Method::INPUTS];
        for (int y = 0; y < Method::INPUTS; ++y)
            for (int x = 0; x < Method::INPUTS; ++x)
                places[y][x] = pixels[y][x] < 0 ? zeros : from + pixels[y][x] * channels;
        prefetch(places, channels);
        int64_t c = 0;
        for (; c + LANES <= channels; c += LANES)
            evaluate_some([&](int y, int x) { return *(const Unaligned *)(places[y][x] + c); }, to + c, step);
        if (c < channels)
            evaluate_some([&](int y, int x) { return loaded(places[y][x] + c, channels - c); }, to + c, step);
    }

    // What the tile after next will read and no tile before it has: the processor does not foresee so many rows.
    static void prefetch(const float *const (&places)[Method::INPUTS][Method::INPUTS], int64_t channels) {
        for (int y = 1; y <= Method::STEP; ++y)
            for (int x = 1; x <= Method::STEP; ++x)
                for (int64_t c = 0; c < channels; c += LINE)
                    __builtin_prefetch(places[y][x] + 2 * Method::STEP * channels + c);
    }

    // LANES channels of a tile at all points; `pixel` gives them.
    template <typename Pixel>
    __attribute__((always_inline)) static void evaluate_some(const Pixel &pixel, float *to, int64_t step) {
        Vector half[Method::POINTS * Method::INPUTS], seen[Method::POINTS];
#pragma GCC unroll 16
        for (int x = 0; x < Method::INPUTS; ++x) {
            Vector column[Method::INPUTS];
#pragma GCC unroll 16
            for (int y = 0; y < Method::INPUTS; ++y) column[y] = pixel(y, x);
            apply(Method::there, column, 1, half + x, Method::INPUTS);
        }
#pragma GCC unroll 16
        for (int y = 0; y < Method::POINTS; ++y) {
            apply(Method::there, half + y * Method::INPUTS, 1, seen, 1);
            // Beyond the last channel these are zeros; what follows is written over them, or they are never read.
#pragma GCC unroll 16
            for (int x = 0; x < Method::POINTS; ++x)
                *(Unaligned *)(to + (y * Method::POINTS + x) * step) = seen[x];
        }
    }

    // `count` tiles at one point times the kernels there, `some` of their outputs from `channel` on.
    void multiply_all(int64_t count, int64_t point, int64_t channel, int64_t some, const Block &block) const {
        for (int64_t column = 0; column < some; column += COLUMNS)
            for (int64_t t = 0; t < count; t += ROWS)
                products.multiply(std::min<int64_t>(ROWS, count - t), block.seen + point * panel + t * row, row,
                                  block.units + point * tiles + t, point * wide + channel + column,
                                  block.made + point * made_panel + t * columns + column, columns);
    }

    // `count` of a tile's outputs from `channel` on, from the sums at all points.
    void write(const Place &at, const float *made, int64_t channel, int64_t count) const {
        const int64_t top = at.down * Method::OUTPUTS, left = at.across * Method::OUTPUTS;
        const int64_t lines = std::min<int64_t>(Method::OUTPUTS, g.out_height - top);
        const int64_t pixels = std::min<int64_t>(Method::OUTPUTS, g.out_width - left);
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
            for (int64_t y = 0; y < lines; ++y) {
                Vector shown[Method::OUTPUTS];
                apply(Method::back, half + y * Method::POINTS, 1, shown, 1);
                for (int64_t x = 0; x < pixels; ++x) {
                    Vector value = shown[x] + base;
                    if (g.rectified) value = value < 0 ? Vector{} : value;
                    out.store(value, (line + y * g.out_width + x) * g.out_channels + channel + c, count - c);
                }
            }
        }
    }

    const Geometry &g;
    const float *pictures;
    const Products &products;
    const float *bias;
    const Output out;
    int64_t down, across, total;  // tiles each way, and of all pictures
    int64_t wide, columns;        // output channels, and of a group of them, as multiplied
    int64_t tiles;                // of a block
    int64_t row, panel, made_panel, unrounded_panel;  // numbers from tile to tile, and from point to point
};

}  // namespace
