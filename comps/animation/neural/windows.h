// Convolutions of pictures as they are defined: at each place a window's numbers times the kernels.

#pragma once

#include "int16_products.h"

extern "C" {

// Outputs of the same taps, as in int16_windows.py.
struct Phase {
    int64_t taps;
    const int64_t *down, *across;  // of each tap, against the place
    const int16_t *weights;        // see `Int16Products`, for as many channels of each tap as make pairs
    const float *units;
    int64_t top, left;             // of the first output
};

struct Layout {
    int64_t samples, height, width, channels;  // of the input, channels innermost
    const float *beside;                       // pictures with the last of the channels, or null
    int64_t beside_channels;
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

constexpr int64_t MOST_PLACES = 72;         // of a block: more of them share the kernels' way from memory,
constexpr int64_t MOST_ROW_BYTES = 1 << 19; // fewer stay in a cache

class Windows {
  public:
    Windows(const float *pictures, const float *bias, float *out, const Layout &l)
        : l(l), pictures(pictures), bias(bias), out(out, l.out_channels) {
        total = l.samples * l.places_down * l.places_across;
        groups = divided_up(l.out_channels, COLUMNS);
        tap_length = rounded_up(l.channels, 2);
        int64_t taps = 0;
        for (int64_t p = 0; p < l.phases; ++p) taps = std::max(taps, l.phase[p].taps);
        row = Int16Products::row_length(taps * tap_length);
        const int64_t most = std::min(MOST_PLACES, std::max(ROWS, MOST_ROW_BYTES / (2 * row) / ROWS * ROWS));
        // Where there are fewer blocks than threads, these share a block's outputs.
        const int64_t blocks = divided_up(total, most);
        parts = blocks >= l.threads ? 1 : std::min(groups, divided_up(l.threads, blocks));
        places = rounded_up(divided_up(total, parts > 1 ? blocks : rounded_up(blocks, l.threads)), ROWS);
    }

    // 0, or 1 when there is no memory for the scratch.
    int run() const {
        int failed = 0;
#pragma omp parallel num_threads(l.threads) reduction(| : failed)
        {
            Block block = {};
            failed = !find_memory(block);
#pragma omp for schedule(dynamic, 1)
            for (int64_t job = 0; job < divided_up(total, places) * parts; ++job)
                if (!failed) draw(job / parts * places, job % parts, block);
            Output::finish();
        }
        return failed;
    }

  private:
    static constexpr int64_t ROWS = Int16Products::ROWS, COLUMNS = Int16Products::COLUMNS;
    // What a thread works on.
    struct Block {
        int16_t *rows;  // windows
        float *units;   // of the rows
        float *fresh;   // one window in float32
    };
    struct Place {
        int64_t sample, down, across;
    };

    bool find_memory(Block &block) const {
        const int64_t fresh = row + LANES, units = rounded_up(places, LANES);
        block.fresh = static_cast<float *>(scratch.at_least(4 * (fresh + units) + 2 * places * row));
        if (!block.fresh) return false;
        block.units = block.fresh + fresh;
        block.rows = reinterpret_cast<int16_t *>(block.units + units);
        return true;
    }

    // One part of the outputs of the places from `first` on.
    void draw(int64_t first, int64_t part, const Block &block) const {
        const int64_t count = std::min(places, total - first);
        const Phase *seen = nullptr;
        for (const Phase *phase = l.phase; phase < l.phase + l.phases; ++phase) {
            if (!seen || seen->down != phase->down) see_all(first, count, *phase, block);
            seen = phase;
            const Int16Products products(phase->weights, phase->units, phase->taps * tap_length);
            for (int64_t group = groups * part / parts; group < groups * (part + 1) / parts; ++group)
                for (int64_t t = 0; t < count; t += ROWS) {
                    const int64_t rows = std::min(ROWS, count - t);
                    alignas(64) float made[ROWS * COLUMNS];
                    products.multiply(rows, block.rows + t * row, row, block.units + t, group * COLUMNS, made, COLUMNS);
                    for (int64_t r = 0; r < rows; ++r)
                        show(place(first + t + r), *phase, made + r * COLUMNS, group * COLUMNS);
                }
        }
    }

    Place place(int64_t index) const {
        const int64_t line = index / l.places_across;
        return {line / l.places_down, line % l.places_down, index % l.places_across};
    }

    // The windows of `count` places.
    void see_all(int64_t first, int64_t count, const Phase &phase, const Block &block) const {
        const int64_t depth = phase.taps * tap_length;
        std::fill_n(block.fresh + depth, rounded_up(depth, 2 * LANES) - depth, 0.0f);
        for (int64_t t = 0; t < count; ++t) {
            const Place at = place(first + t);
            for (int64_t tap = 0; tap < phase.taps; ++tap)
                see(at.sample, at.down * l.step_down + phase.down[tap], at.across * l.step_across + phase.across[tap],
                    block.fresh + tap * tap_length);
            block.units[t] = Int16Products::keep(block.fresh, depth, block.rows + t * row);
        }
    }

    // A pixel, and zeros up to a pair; zeros where there is none.
    void see(int64_t sample, int64_t line, int64_t column, float *to) const {
        const bool inside = line >= 0 && line < l.height && column >= 0 && column < l.width;
        if (!inside) {
            std::fill_n(to, tap_length, 0.0f);
            return;
        }
        const int64_t pixel = (sample * l.height + line) * l.width + column, first = l.channels - l.beside_channels;
        std::memcpy(to, pictures + pixel * first, 4 * first);
        if (l.beside) std::memcpy(to + first, l.beside + pixel * l.beside_channels, 4 * l.beside_channels);
        if (l.channels < tap_length) to[l.channels] = 0;
    }

    // COLUMNS outputs of a place from `channel` on, where the picture has them.
    void show(const Place &at, const Phase &phase, const float *made, int64_t channel) const {
        const int64_t line = at.down * l.stride + phase.top, column = at.across * l.stride + phase.left;
        if (line >= l.out_height || column >= l.out_width) return;
        const int64_t pixel = ((at.sample * l.out_height + line) * l.out_width + column) * l.out_channels;
        const int64_t end = std::min(l.out_channels, channel + COLUMNS);
        for (int64_t c = channel; c < end; c += LANES, made += LANES) {
            Vector value = *(const Vector *)made + loaded(bias + c, end - c);
            if (l.rectified) value = value < 0 ? Vector{} : value;
            out.store(value, pixel + c, end - c);
        }
    }

    const Layout &l;
    const float *pictures, *bias;
    const Output out;
    int64_t total, places;  // of all pictures, and of a block
    int64_t groups, parts;  // of COLUMNS outputs, and of these
    int64_t tap_length, row;  // numbers from tap to tap, and from row to row
};

}  // namespace
