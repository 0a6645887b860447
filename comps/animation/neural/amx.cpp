// Convolutions of pictures in float32 or float16 on the matrix unit of Intel processors (AMX), which multiplies in bfloat16
// and adds in float32. A number of float32 is taken as the sum of three of bfloat16, one of float16 as that of two, which
// is exact; of their products those are added that matter.
// Built and called by amx.py, whose `Geometry` mirrors the one here.
//
// The pixels of all pictures are laid out as one line: rows follow each other with just the zeros between them that the
// kernel reaches into, so that a tap is one offset for every pixel. A stretch of that line, as much as the second-level
// cache holds, is split into parts once; 32 pixels by 32 channels of output then stay in registers over all taps.

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int64_t PIXELS = 32, CHANNELS = 32, LANES = 16;
constexpr int64_t LINE_BYTES = 64;    // 32 channels of one part of a pixel
constexpr int64_t TILE_BYTES = 1024;  // 16 such lines
constexpr int64_t MOST_TAPS = 256;
constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;  // Linux: ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA

// As the processor reads it.
struct alignas(64) TileShapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

struct Scratch {
    char *data = nullptr;
    size_t size = 0;
    ~Scratch() { std::free(data); }
    char *at_least(size_t bytes) {
        if (bytes > size) {
            std::free(data);
            size = (bytes + 4095) / 4096 * 4096;
            data = static_cast<char *>(std::aligned_alloc(4096, size));
            if (!data) size = 0;
        }
        return data;
    }
};

thread_local Scratch scratch;

inline __mmask16 first_lanes(int64_t count) {
    return count >= LANES ? 0xffff : count <= 0 ? 0 : (1u << count) - 1;
}

// A number of float16, which is only ever converted.
struct Half {
    uint16_t bits;
};

inline __m512 loaded(const float *from, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, from); }

// In float16 what is too large becomes the largest number instead of infinity, two of which give no number. The numbers
// come second: of two one of which is not a number, the processor takes the second.
inline __m512 bounded(__m512 numbers) {
    const __m512 most = _mm512_set1_ps(65504.0f);
    return _mm512_max_ps(-most, _mm512_min_ps(most, numbers));
}

inline __m512 loaded(const Half *from, __mmask16 lanes) {
    return bounded(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, from)));
}

inline void store(float *to, __mmask16 lanes, __m512 numbers) { _mm512_mask_storeu_ps(to, lanes, numbers); }

inline void store(Half *to, __mmask16 lanes, __m512 numbers) {
    _mm256_mask_storeu_epi16(to, lanes, _mm512_cvtps_ph(bounded(numbers), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline __m512 widened(__m256i bfloat16) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bfloat16), 16));
}

// Whether numbers are none of: infinite, larger than any of bfloat16, not a number.
inline __mmask32 can_be_split(__m512 numbers) {
    return _mm512_cmp_ps_mask(_mm512_abs_ps(numbers), _mm512_set1_ps(0x1.fep127f), _CMP_LE_OQ);
}

// One pixel's channels as parts, each what rounding left of those before it. What cannot be split is whole in the last
// part, with zeros before it: only that part is multiplied by nothing but the weights' first, whose signs are those of the
// weights. Times their other parts infinity would meet infinities of the other sign.
template <typename Number, int PARTS>
inline void split(const Number *pixel, int64_t channels, char *to, int64_t block_bytes, int64_t part_bytes) {
    for (int64_t c = 0; c < channels; c += CHANNELS, to += block_bytes) {
        __m512 low = loaded(pixel + c, first_lanes(channels - c));
        __m512 high = loaded(pixel + c + LANES, first_lanes(channels - c - LANES));
        const __mmask32 splits = can_be_split(high) << LANES | can_be_split(low);
        for (int part = 0; part < PARTS; ++part) {
            const __mmask32 kept = part < PARTS - 1 ? splits : ~0u;
            const __m512i both = (__m512i)_mm512_maskz_cvtne2ps_pbh(kept, high, low);
            _mm512_store_si512(to + part * part_bytes, both);
            low = _mm512_sub_ps(low, widened(_mm512_castsi512_si256(both)));
            high = _mm512_sub_ps(high, widened(_mm512_extracti64x4_epi64(both, 1)));
        }
    }
}

// Sums over all taps and channels, left in tiles 0 to 3: 32 pixels by 32 output channels. Small products come first.
template <int PARTS>
inline void multiply(const char *lines, int64_t block_bytes, int64_t part_bytes, const char *weights, int64_t blocks,
                     int64_t taps, const int64_t *offsets) {
#define PIXELS_OF(part)                                    \
    _tile_loadd(4, line + (part)*part_bytes, LINE_BYTES);  \
    _tile_loadd(5, line + (part)*part_bytes + TILE_BYTES, LINE_BYTES)
#define WEIGHTS_OF(part)                                          \
    _tile_loadd(6, weights + 2 * (part)*TILE_BYTES, LINE_BYTES);  \
    _tile_loadd(7, weights + (2 * (part) + 1) * TILE_BYTES, LINE_BYTES)
#define ADD_PRODUCTS         \
    _tile_dpbf16ps(0, 4, 6); \
    _tile_dpbf16ps(1, 4, 7); \
    _tile_dpbf16ps(2, 5, 6); \
    _tile_dpbf16ps(3, 5, 7)
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t tap = 0; tap < taps; ++tap) {
        const char *line = lines + offsets[tap] * LINE_BYTES;
        for (int64_t block = 0; block < blocks; ++block) {
            if (PARTS == 2) {
                PIXELS_OF(0); WEIGHTS_OF(1); ADD_PRODUCTS;
                WEIGHTS_OF(0); ADD_PRODUCTS;
                PIXELS_OF(1); ADD_PRODUCTS;
            } else {
                PIXELS_OF(1); WEIGHTS_OF(1); ADD_PRODUCTS;
                PIXELS_OF(0); WEIGHTS_OF(2); ADD_PRODUCTS;
                WEIGHTS_OF(1); ADD_PRODUCTS;
                WEIGHTS_OF(0); ADD_PRODUCTS;
                PIXELS_OF(1); ADD_PRODUCTS;
                PIXELS_OF(2); ADD_PRODUCTS;
            }
            line += block_bytes;
            weights += 2 * PARTS * TILE_BYTES;
        }
    }
#undef PIXELS_OF
#undef WEIGHTS_OF
#undef ADD_PRODUCTS
}

}  // namespace

extern "C" {

// What one set of taps makes: of a transposed convolution with a stride those outputs whose place leaves the same rest.
struct Phase {
    int64_t taps;
    const int64_t *down, *across;  // each tap's place in the picture against the output's
    const char *weights;           // [outputs / 32][taps][inputs / 32][parts][2] tiles of [16 input pairs][16 outputs][2]
    int64_t top, left;             // the first output's place
};

struct Geometry {
    int64_t pictures, height, width, channels;  // of the input, channels innermost
    int64_t out_height, out_width, out_channels;
    int64_t stride;                // between the outputs of one phase
    int64_t grid_height, grid_width;  // how many outputs of a phase there are, not more than the input's pixels
    int64_t phases;
    const Phase *phase;
    int64_t rectified;             // whether negative outputs become zero
    int64_t threads, scratch_bytes;
};

}

namespace {

// The pixels of all pictures as one line.
struct Line {
    int64_t row, rows, total, before, after;
    explicit Line(const Geometry &g) {
        int64_t up = 0, down = 0, left = 0, right = 0;
        for (int64_t p = 0; p < g.phases; ++p)
            for (int64_t t = 0; t < g.phase[p].taps; ++t) {
                up = std::max(up, -g.phase[p].down[t]);
                down = std::max(down, g.phase[p].down[t]);
                left = std::max(left, -g.phase[p].across[t]);
                right = std::max(right, g.phase[p].across[t]);
            }
        row = g.width + std::max(left, right);
        rows = g.height + std::max(up, down);
        total = g.pictures * rows * row;
        before = up * row + left;
        after = down * row + right;
    }
};

struct Place {
    int64_t picture, down, across;
    Place(const Line &line, int64_t at)
        : picture(at / line.row / line.rows), down(at / line.row % line.rows), across(at % line.row) {}
    void step(const Line &line) {
        if (++across < line.row) return;
        across = 0;
        if (++down < line.rows) return;
        down = 0;
        ++picture;
    }
};

// `held` pixels of the line from `first` on, which may lie before its start or beyond its end.
template <typename Number, int PARTS>
void fill(const Number *pictures, const Geometry &g, const Line &line, int64_t first, int64_t held, char *to) {
    const int64_t blocks = (g.channels + CHANNELS - 1) / CHANNELS;
    const int64_t block_bytes = held * LINE_BYTES, part_bytes = blocks * block_bytes;
    for (int64_t done = 0, count; done < held; done += count) {
        const int64_t at = first + done;
        const Number *from = nullptr;
        count = held - done;
        if (at < 0) {
            count = std::min(count, -at);
        } else if (at < line.total) {
            const Place place(line, at);
            if (place.down >= g.height) {
                count = std::min(count, (line.rows - place.down) * line.row - place.across);
            } else if (place.across >= g.width) {
                count = std::min(count, line.row - place.across);
            } else {
                count = std::min(count, g.width - place.across);
                from = pictures + ((place.picture * g.height + place.down) * g.width + place.across) * g.channels;
            }
        }
        char *lines = to + done * LINE_BYTES;
        if (from)
            for (int64_t i = 0; i < count; ++i)
                split<Number, PARTS>(from + i * g.channels, g.channels, lines + i * LINE_BYTES, block_bytes, part_bytes);
        else
            for (int64_t i = 0; i < blocks * PARTS; ++i) std::memset(lines + i * block_bytes, 0, count * LINE_BYTES);
    }
}

// All outputs of one phase at the pixels `first` to `first + count` of the line.
template <typename Number, int PARTS>
void draw(const char *lines, const Geometry &g, const Line &line, const Phase &phase, int64_t first, int64_t count,
          int64_t held, const float *bias, Number *out) {
    const int64_t blocks = (g.channels + CHANNELS - 1) / CHANNELS;
    const int64_t block_bytes = held * LINE_BYTES, part_bytes = blocks * block_bytes;
    const int64_t weights_bytes = phase.taps * blocks * PARTS * 2 * TILE_BYTES;
    const __m512 least = _mm512_set1_ps(g.rectified ? 0.0f : -__builtin_inff());
    int64_t offsets[MOST_TAPS];
    for (int64_t t = 0; t < phase.taps; ++t) offsets[t] = line.before + phase.down[t] * line.row + phase.across[t];
    alignas(64) float made[PIXELS][CHANNELS];
    for (int64_t channel = 0; channel < g.out_channels; channel += CHANNELS) {
        const char *weights = phase.weights + channel / CHANNELS * weights_bytes;
        const __mmask16 low = first_lanes(g.out_channels - channel), high = first_lanes(g.out_channels - channel - LANES);
        const __m512 low_bias = _mm512_maskz_loadu_ps(low, bias + channel);
        const __m512 high_bias = _mm512_maskz_loadu_ps(high, bias + channel + LANES);
        Place place(line, first);
        for (int64_t pixel = 0; pixel < count; pixel += PIXELS) {
            multiply<PARTS>(lines + pixel * LINE_BYTES, block_bytes, part_bytes, weights, blocks, phase.taps, offsets);
            _tile_stored(0, made[0], 4 * CHANNELS);
            _tile_stored(1, made[0] + LANES, 4 * CHANNELS);
            _tile_stored(2, made[LANES], 4 * CHANNELS);
            _tile_stored(3, made[LANES] + LANES, 4 * CHANNELS);
            for (int64_t i = 0; i < std::min(PIXELS, count - pixel); ++i, place.step(line)) {
                if (place.down >= g.grid_height || place.across >= g.grid_width) continue;
                const int64_t y = place.down * g.stride + phase.top, x = place.across * g.stride + phase.left;
                Number *to = out + ((place.picture * g.out_height + y) * g.out_width + x) * g.out_channels + channel;
                const __m512 a = _mm512_load_ps(made[i]), b = _mm512_load_ps(made[i] + LANES);
                store(to, low, _mm512_max_ps(least, _mm512_add_ps(a, low_bias)));
                store(to + LANES, high, _mm512_max_ps(least, _mm512_add_ps(b, high_bias)));
            }
        }
    }
}

template <typename Number, int PARTS>
int convolve(const Number *pictures, const float *bias, Number *out, const Geometry &g) {
    const Line line(g);
    if (!line.total) return 0;
    const int64_t threads = std::max<int64_t>(1, g.threads);
    const int64_t margin = line.before + line.after;
    const int64_t pixel_bytes = (g.channels + CHANNELS - 1) / CHANNELS * PARTS * LINE_BYTES;
    const int64_t most = std::max(4 * PIXELS, g.scratch_bytes / pixel_bytes - margin);
    // As many stretches for each thread as for any other.
    const int64_t stretches = ((line.total + most - 1) / most + threads - 1) / threads * threads;
    const int64_t size = ((line.total + stretches - 1) / stretches + PIXELS - 1) / PIXELS * PIXELS;
    int failed = 0;
#pragma omp parallel num_threads(threads) reduction(| : failed)
    {
        char *lines = scratch.at_least((size + margin) * pixel_bytes);
        failed = lines == nullptr;
        TileShapes found, wanted = {1, 0, {}, {}, {}};
        for (int tile = 0; tile < 8; ++tile) {
            wanted.row_bytes[tile] = LINE_BYTES;
            wanted.rows[tile] = LANES;
        }
        // Other libraries may count on the shapes that they set in this thread.
        _tile_storeconfig(&found);
        _tile_loadconfig(&wanted);
#pragma omp for schedule(dynamic, 1)
        for (int64_t first = 0; first < line.total; first += size) {
            if (failed) continue;
            fill<Number, PARTS>(pictures, g, line, first - line.before, size + margin, lines);
            for (int64_t p = 0; p < g.phases; ++p)
                draw<Number, PARTS>(lines, g, line, g.phase[p], first, std::min(size, line.total - first), size + margin,
                                    bias, out);
        }
        if (found.palette)
            _tile_loadconfig(&found);
        else
            _tile_release();
    }
    return failed;
}

}  // namespace

extern "C" {

// Ask the kernel for the matrix unit, for all threads of the process; 0 when it is granted.
int amx_permit() { return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) != 0; }

// 0, or 1 when there is no memory for the scratch. Pictures are float32 with weights in three parts, or float16 with
// weights in two; `bias` holds one number for each output channel.
int amx_convolve(const void *pictures, const float *bias, void *out, int64_t halves, const Geometry *geometry) {
    if (halves) return convolve<Half, 2>(static_cast<const Half *>(pictures), bias, static_cast<Half *>(out), *geometry);
    return convolve<float, 3>(static_cast<const float *>(pictures), bias, static_cast<float *>(out), *geometry);
}
}
