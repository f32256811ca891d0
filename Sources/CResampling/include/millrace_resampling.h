// The inner loops of resizing with a separable filter, for a processor's vector units; see MillraceVision/BicubicResampling.swift.
//
// Weights are fixed-point numbers; sums are 32-bit integers that wrap, so that every version gives the same bits.

#ifndef MILLRACE_RESAMPLING_H
#define MILLRACE_RESAMPLING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// For every output position, where its input begins, how long it is, and its weights: `stride` apart.
typedef struct {
    const int32_t *_Nonnull starts;
    const int32_t *_Nonnull counts;
    const int32_t *_Nonnull weights;
    size_t positions;
    size_t stride;
    /// Binary places of the weights.
    int32_t precisionBits;
} millrace_kernel;

/// `rows` rows of RGB, `rowBytes` apart, each to a row of as many pixels as the kernel has positions.
/// Reads nothing behind the last pixel of the last row.
void millrace_resample_rows(
    const millrace_kernel *_Nonnull kernel, const uint8_t *_Nonnull input, size_t rowBytes, size_t rows, uint8_t *_Nonnull output);

/// Rows of `rowBytes` bytes to as many as the kernel has positions; input row 0 is the kernel's input `firstRow`.
/// `sums` has room for `rowBytes` numbers.
void millrace_resample_columns(
    const millrace_kernel *_Nonnull kernel, const uint8_t *_Nonnull input, size_t rowBytes, size_t firstRow, int32_t *_Nonnull sums,
    uint8_t *_Nonnull output);

#ifdef __cplusplus
}
#endif

#endif
