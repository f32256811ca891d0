#include "millrace_resampling.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
// Chosen when the program runs: a binary is built once and used on machines of several ages.
#define VECTOR __attribute__((target("avx2")))
#endif

static inline uint8_t clipped(int32_t sum, int32_t bits) {
    int32_t value = sum >> bits;
    return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
}

static void rows_plain(const millrace_kernel *kernel, const uint8_t *input, size_t rowBytes, size_t rows, uint8_t *output) {
    const int32_t half = 1 << (kernel->precisionBits - 1);
    for (size_t row = 0; row < rows; row++, input += rowBytes) {
        for (size_t position = 0; position < kernel->positions; position++) {
            uint32_t red = (uint32_t)half, green = red, blue = red;
            const uint8_t *source = input + (size_t)kernel->starts[position] * 3;
            const int32_t *weights = kernel->weights + position * kernel->stride;
            for (int32_t index = 0; index < kernel->counts[position]; index++, source += 3) {
                uint32_t weight = (uint32_t)weights[index];
                red += source[0] * weight;
                green += source[1] * weight;
                blue += source[2] * weight;
            }
            *output++ = clipped((int32_t)red, kernel->precisionBits);
            *output++ = clipped((int32_t)green, kernel->precisionBits);
            *output++ = clipped((int32_t)blue, kernel->precisionBits);
        }
    }
}

// Plain loops; the compiler makes vectors of them, of the width that each version of this may use.
static inline __attribute__((always_inline)) void columns(
    const millrace_kernel *kernel, const uint8_t *input, size_t rowBytes, size_t firstRow, int32_t *sums, uint8_t *output) {
    const int32_t half = 1 << (kernel->precisionBits - 1);
    for (size_t position = 0; position < kernel->positions; position++) {
        for (size_t column = 0; column < rowBytes; column++) sums[column] = half;
        const uint8_t *source = input + ((size_t)kernel->starts[position] - firstRow) * rowBytes;
        for (int32_t index = 0; index < kernel->counts[position]; index++, source += rowBytes) {
            uint32_t weight = (uint32_t)kernel->weights[position * kernel->stride + (size_t)index];
            for (size_t column = 0; column < rowBytes; column++) sums[column] = (int32_t)((uint32_t)sums[column] + source[column] * weight);
        }
        for (size_t column = 0; column < rowBytes; column++) output[column] = clipped(sums[column], kernel->precisionBits);
        output += rowBytes;
    }
}

static void columns_plain(
    const millrace_kernel *kernel, const uint8_t *input, size_t rowBytes, size_t firstRow, int32_t *sums, uint8_t *output) {
    columns(kernel, input, rowBytes, firstRow, sums, output);
}

#ifdef VECTOR

VECTOR static void columns_vector(
    const millrace_kernel *kernel, const uint8_t *input, size_t rowBytes, size_t firstRow, int32_t *sums, uint8_t *output) {
    columns(kernel, input, rowBytes, firstRow, sums, output);
}

/// A pixel and the byte behind it.
VECTOR static inline __m128i pixel(const uint8_t *source) {
    int32_t bytes;
    memcpy(&bytes, source, 4);
    return _mm_cvtsi32_si128(bytes);
}

VECTOR static inline void put(__m128i sums, __m128i bits, uint8_t *output) {
    __m128i values = _mm_sra_epi32(sums, bits);
    values = _mm_packs_epi32(values, values);
    values = _mm_packus_epi16(values, values);
    int32_t bytes = _mm_cvtsi128_si32(values);
    memcpy(output, &bytes, 3);
}

/// Two rows at a time, one in each half of a register: red, green, blue and a value that is dropped.
VECTOR static void rows_vector(const millrace_kernel *kernel, const uint8_t *input, size_t rowBytes, size_t pairs, uint8_t *output) {
    const __m256i half = _mm256_set1_epi32(1 << (kernel->precisionBits - 1));
    const __m128i bits = _mm_cvtsi32_si128(kernel->precisionBits);
    const size_t outputBytes = kernel->positions * 3;
    for (size_t pair = 0; pair < pairs; pair++, input += 2 * rowBytes, output += 2 * outputBytes) {
        for (size_t position = 0; position < kernel->positions; position++) {
            const uint8_t *source = input + (size_t)kernel->starts[position] * 3;
            const int32_t *weights = kernel->weights + position * kernel->stride;
            __m256i sums = half;
            for (int32_t index = 0; index < kernel->counts[position]; index++, source += 3) {
                __m128i both = _mm_unpacklo_epi32(pixel(source), pixel(source + rowBytes));
                sums = _mm256_add_epi32(sums, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(both), _mm256_set1_epi32(weights[index])));
            }
            put(_mm256_castsi256_si128(sums), bits, output + position * 3);
            put(_mm256_extracti128_si256(sums, 1), bits, output + outputBytes + position * 3);
        }
    }
}

#endif

void millrace_resample_rows(const millrace_kernel *kernel, const uint8_t *input, size_t rowBytes, size_t rows, uint8_t *output) {
    size_t done = 0;
#ifdef VECTOR
    // The last two rows are left out: a pixel is read with the byte behind it, which the last one has not.
    if (rows > 2 && __builtin_cpu_supports("avx2")) {
        done = (rows - 1) / 2 * 2;
        rows_vector(kernel, input, rowBytes, done / 2, output);
    }
#endif
    rows_plain(kernel, input + done * rowBytes, rowBytes, rows - done, output + done * kernel->positions * 3);
}

void millrace_resample_columns(
    const millrace_kernel *kernel, const uint8_t *input, size_t rowBytes, size_t firstRow, int32_t *sums, uint8_t *output) {
#ifdef VECTOR
    if (__builtin_cpu_supports("avx2")) {
        columns_vector(kernel, input, rowBytes, firstRow, sums, output);
        return;
    }
#endif
    columns_plain(kernel, input, rowBytes, firstRow, sums, output);
}
