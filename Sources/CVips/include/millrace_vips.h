// The few calls of libvips that Millrace needs, without varargs and GObject macros, which Swift cannot import.
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

typedef enum MillraceImageKind {
  MILLRACE_IMAGE_JPEG,
  MILLRACE_IMAGE_PNG,
  MILLRACE_IMAGE_WEBP,
  MILLRACE_IMAGE_TIFF
} MillraceImageKind;

typedef struct MillraceImageHeader {
  int width;
  int height;
  /// EXIF orientation, 1 to 8; 1 when there is none.
  int orientation;
  /// How many images the file has; over 1 only in TIFF.
  int pages;
} MillraceImageHeader;

/// Starts libvips; once per process, before anything else here. Returns 0, or -1.
int millrace_vips_start(void);

/// Opens an encoded image, the first one being page 0; reads its header only. `bytes` must stay until the image is closed.
/// Returns `NULL` when the header is damaged, or there is no such page.
void *_Nullable millrace_image_open(MillraceImageKind kind, const void *bytes, size_t length, int page,
                                    MillraceImageHeader *header);
void millrace_image_close(void *image);

/// Decodes to 8 bits per channel in sRGB, upright, as `*bands` interleaved channels: 3, or 4 with straight alpha.
/// The memory belongs to the caller, who gives it to `millrace_pixels_free`. Returns `NULL` when the image is damaged.
uint8_t *_Nullable millrace_image_decode(void *image, int *width, int *height, int *bands);
void millrace_pixels_free(void *_Nullable pixels);

/// Encodes interleaved 8-bit RGB as PNG, for crops and debugging. Freed with `millrace_pixels_free`.
uint8_t *_Nullable millrace_image_encode_png(const uint8_t *rgb, int width, int height, size_t *length);

/// Takes what libvips last said went wrong, at most `capacity` bytes with the final zero.
void millrace_vips_take_error(char *message, size_t capacity);

/// Frees what libvips keeps for the calling thread.
void millrace_vips_thread_done(void);

#pragma clang assume_nonnull end
