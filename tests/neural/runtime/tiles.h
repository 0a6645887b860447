// The tile instructions of AMX in AVX-512, included before amx.cpp where a processor has the one and not the other: the
// same products in the same order.

#pragma once

#include <immintrin.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace tiles {

constexpr int TILES = 8, ROWS = 16, LINE_BYTES = 64, CONFIG_BYTES = 64;

struct alignas(64) Tile {
    char lines[ROWS][LINE_BYTES];
};

// As a thread has them: nothing is loaded before the shapes are, and each thread has its own.
inline thread_local Tile all[TILES];
inline thread_local uint8_t config[CONFIG_BYTES];

inline Tile &tile(int number) {
    uint16_t row_bytes;
    std::memcpy(&row_bytes, config + 16 + 2 * number, sizeof row_bytes);
    if (config[0] != 1 || row_bytes != LINE_BYTES || config[48 + number] != ROWS) std::abort();
    return all[number];
}

inline void load_config(const void *from) {
    std::memcpy(config, from, CONFIG_BYTES);
    std::memset(all, 0, sizeof all);
}

inline void store_config(void *to) { std::memcpy(to, config, CONFIG_BYTES); }

inline void release() { std::memset(config, 0, CONFIG_BYTES); }

inline void zero(int number) { std::memset(&tile(number), 0, sizeof(Tile)); }

inline void load(int number, const void *from, int64_t stride) {
    Tile &to = tile(number);
    for (int row = 0; row < ROWS; ++row)
        std::memcpy(to.lines[row], static_cast<const char *>(from) + row * stride, LINE_BYTES);
}

inline void store(int number, void *to, int64_t stride) {
    const Tile &from = tile(number);
    for (int row = 0; row < ROWS; ++row) std::memcpy(static_cast<char *>(to) + row * stride, from.lines[row], LINE_BYTES);
}

// The earlier and the later number of each pair are summed apart, and both are added to what was there last (Intel SDM,
// TDPBF16PS); only that subnormal numbers count as zero is left out.
inline void add_products(int sums, int pixels, int weights) {
    Tile &to = tile(sums), &left = tile(pixels), &right = tile(weights);
    const __m512i high = _mm512_set1_epi32(0xffff0000);
    for (int row = 0; row < ROWS; ++row) {
        __m512 earlier = _mm512_setzero_ps(), later = _mm512_setzero_ps();
        for (int pair = 0; pair < ROWS; ++pair) {
            uint32_t both;
            std::memcpy(&both, left.lines[row] + 4 * pair, sizeof both);
            const __m512i other = _mm512_load_si512(right.lines[pair]);
            earlier = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_set1_epi32(both << 16)),
                                      _mm512_castsi512_ps(_mm512_slli_epi32(other, 16)), earlier);
            later = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_set1_epi32(both & 0xffff0000)),
                                    _mm512_castsi512_ps(_mm512_and_si512(other, high)), later);
        }
        const __m512 before = _mm512_load_ps(to.lines[row]);
        _mm512_store_ps(to.lines[row], _mm512_add_ps(before, _mm512_add_ps(earlier, later)));
    }
}

}  // namespace tiles

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadd(number, from, stride) tiles::load(number, from, stride)
#define _tile_stored(number, to, stride) tiles::store(number, to, stride)
#define _tile_zero(number) tiles::zero(number)
#define _tile_dpbf16ps(sums, pixels, weights) tiles::add_products(sums, pixels, weights)
#define _tile_loadconfig(from) tiles::load_config(from)
#define _tile_storeconfig(to) tiles::store_config(to)
#define _tile_release() tiles::release()
// The kernel has no unit to grant.
#define syscall(...) 0L
