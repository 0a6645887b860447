// Convolutions of pictures as they are defined: at each place a window's numbers times the kernels.

#pragma once

#include "int16_products.h"

extern "C" {

// Outputs of the same taps, as in int16_products.py.
struct Phase {
    int64_t taps;
    const int64_t *down, *across;  // of each tap, against the place; phases of the same taps share them
    const int16_t *weights;        // see `Int16Products`, for as many channels of each tap as make pairs
    const float *units;
    int64_t top, left;             // of the first output
};

struct WindowGeometry {
    int64_t samples, height, width, channels;  // of the input, channels innermost
    const void *beside;                        // pictures with the last of the channels, or null
    int64_t beside_channels;
    int64_t halves, beside_halves, out_halves;  // which pictures are of float16, others of float32
    int64_t out_height, out_width, out_channels;
    int64_t places_down, places_across;
    int64_t step_down, step_across;  // pixels from place to place
    int64_t stride;                  // outputs from place to place
    int64_t phases;
    const Phase *phase;
    int64_t rectified;  // whether negative outputs become zero
    int64_t threads;
};

}

namespace {

// Of a block: the more windows, the more of them share the kernels' way from memory; the fewer, the more stays in a cache.
constexpr int64_t MOST_PLACES = 72, MOST_ROW_BYTES = 1 << 19;

class Windows {
  public:
    Windows(const void *pictures, const float *bias, void *out, const WindowGeometry &g)
        : g(g), pictures(pictures), bias(bias), out(out) {
        total = g.samples * g.places_down * g.places_across;
        groups = divided_up(g.out_channels, COLUMNS);
        tap_length = rounded_up(g.channels, 2);
        int64_t taps = 0;
        for (int64_t p = 0; p < g.phases; ++p) taps = std::max(taps, g.phase[p].taps);
        row = Int16Products::row_length(taps * tap_length);
        const int64_t most = std::min(MOST_PLACES, std::max<int64_t>(ROWS, MOST_ROW_BYTES / (2 * row) / ROWS * ROWS));
        // Where there are fewer blocks than threads, these share a block's outputs.
        const int64_t blocks = divided_up(total, most);
        parts = blocks >= g.threads ? 1 : std::min(groups, divided_up(g.threads, blocks));
        places = rounded_up(divided_up(total, parts > 1 ? blocks : rounded_up(blocks, g.threads)), ROWS);
    }

    // 0, or 1 when there is no memory for the scratch.
    int run() const {
        int failed = 0;
#pragma omp parallel num_threads(g.threads) reduction(| : failed)
        {
            Block block = {};
            failed = !find_memory(block);
#pragma omp for schedule(dynamic, 1)
            for (int64_t job = 0; job < divided_up(total, places) * parts; ++job)
                if (!failed) compute(job / parts * places, job % parts, block);
            finish_output();
        }
        return failed;
    }

  private:
    // What a thread works on.
    struct Block {
        int16_t *rows;     // windows
        float *units;      // of the rows
        float *unrounded;  // one window in float32
    };
    struct Place {
        int64_t sample, down, across;
    };

    bool find_memory(Block &block) const {
        const int64_t unrounded = row + LANES, units = rounded_up(places, LANES);
        block.unrounded = static_cast<float *>(scratch.at_least(4 * (unrounded + units) + 2 * places * row));
        if (!block.unrounded) return false;
        block.units = block.unrounded + unrounded;
        block.rows = reinterpret_cast<int16_t *>(block.units + units);
        return true;
    }

    // One part of the outputs of the places from `first` on.
    void compute(int64_t first, int64_t part, const Block &block) const {
        const int64_t count = std::min(places, total - first);
        const int64_t begin = groups * part / parts, end = groups * (part + 1) / parts;
        const Phase *gathered = nullptr;
        for (const Phase *phase = g.phase; phase < g.phase + g.phases; ++phase) {
            const Int16Products products = products_of(*phase);
            if (!gathered || gathered->down != phase->down) gather_all(first, count, *phase, products, block);
            gathered = phase;
            for (int64_t group = begin; group < end; ++group) {
                const bool last = group + 1 == end;
                // Whose kernels are needed next, after the last phase those of the next block's first.
                const Phase &following = !last ? *phase : phase + 1 < g.phase + g.phases ? phase[1] : *g.phase;
                const Int16Products after = products_of(following);
                const int16_t *next = after.kernels((last ? begin : group + 1) * COLUMNS);
                for (int64_t t = 0; t < count; t += ROWS) {
                    const int64_t rows = std::min<int64_t>(ROWS, count - t);
                    alignas(64) float made[ROWS * COLUMNS];
                    products.multiply(rows, block.rows + t * row, row, block.units + t, group * COLUMNS, made, COLUMNS,
                                      Ahead(next, after.bytes(), t, rows, count, products.steps()));
                    if (g.out_halves)
                        write_all<Half>(first + t, rows, *phase, made, group * COLUMNS);
                    else
                        write_all<float>(first + t, rows, *phase, made, group * COLUMNS);
                }
            }
        }
    }

    Int16Products products_of(const Phase &phase) const {
        return Int16Products(phase.weights, phase.units, phase.taps * tap_length);
    }

    Place place(int64_t index) const {
        const int64_t line = index / g.places_across;
        return {line / g.places_down, line % g.places_down, index % g.places_across};
    }

    // The windows of `count` places.
    void gather_all(int64_t first, int64_t count, const Phase &phase, const Int16Products &products,
                    const Block &block) const {
        const int64_t depth = phase.taps * tap_length;
        std::fill_n(block.unrounded + depth, rounded_up(depth, 2 * LANES) - depth, 0.0f);
        for (int64_t t = 0; t < count; ++t) {
            const Place at = place(first + t);
            for (int64_t tap = 0; tap < phase.taps; ++tap)
                gather(at.sample, at.down * g.step_down + phase.down[tap], at.across * g.step_across + phase.across[tap],
                    block.unrounded + tap * tap_length);
            block.units[t] = products.quantize(block.unrounded, block.rows + t * row);
        }
    }

    // A pixel, and zeros up to a pair; zeros where there is none.
    void gather(int64_t sample, int64_t line, int64_t column, float *to) const {
        const bool inside = line >= 0 && line < g.height && column >= 0 && column < g.width;
        if (!inside) {
            std::fill_n(to, tap_length, 0.0f);
            return;
        }
        const int64_t pixel = (sample * g.height + line) * g.width + column, first = g.channels - g.beside_channels;
        copy(pictures, g.halves, pixel, first, to);
        if (g.beside) copy(g.beside, g.beside_halves, pixel, g.beside_channels, to + first);
        if (g.channels < tap_length) to[g.channels] = 0;
    }

    static void copy(const void *from, bool halves, int64_t pixel, int64_t channels, float *to) {
        if (!halves) {
            std::memcpy(to, static_cast<const float *>(from) + pixel * channels, 4 * channels);
            return;
        }
        const Half *numbers = static_cast<const Half *>(from) + pixel * channels;
        int64_t c = 0;
        for (; c + LANES <= channels; c += LANES) *(Unaligned *)(to + c) = vector_at(numbers + c);
        const Vector rest = loaded(numbers + c, channels - c);
        std::memcpy(to + c, &rest, 4 * (channels - c));
    }

    // COLUMNS outputs of `count` places from `channel` on.
    template <typename Value>
    void write_all(int64_t first, int64_t count, const Phase &phase, const float *made, int64_t channel) const {
        const Output<Value> to(out, g.out_channels, COLUMNS, g.rectified);
        for (int64_t t = 0; t < count; ++t) write(place(first + t), phase, made + t * COLUMNS, channel, to);
    }

    // Those of a place, where the picture has them.
    template <typename Value>
    void write(const Place &at, const Phase &phase, const float *made, int64_t channel, const Output<Value> &to) const {
        const int64_t line = at.down * g.stride + phase.top, column = at.across * g.stride + phase.left;
        if (line >= g.out_height || column >= g.out_width) return;
        const int64_t pixel = ((at.sample * g.out_height + line) * g.out_width + column) * g.out_channels;
        const int64_t end = std::min(g.out_channels, channel + COLUMNS);
        for (int64_t c = channel; c < end; c += LANES, made += LANES)
            to.store(*(const Vector *)made + loaded(bias + c, end - c), pixel + c, end - c);
    }

    const WindowGeometry &g;
    const void *pictures;
    const float *bias;
    void *out;
    int64_t total, places;  // of all pictures, and of a block
    int64_t groups, parts;  // of COLUMNS outputs, and of these
    int64_t tap_length, row;  // numbers from tap to tap, and from row to row
};

}  // namespace
