// The one call of libjpeg-turbo that Millrace needs: a whole JPEG file to pixels, without libvips's 80 libraries, which take
// longer to load than a photo to classify.
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Loads the library; any thread may call it, any number of times. Returns 0, or -1 where it is missing.
int millrace_jpeg_start(void);

/// Reads the header. Returns 0; or -1 when it is damaged, or the colours are none of gray, YCbCr and RGB.
int millrace_jpeg_size(const uint8_t *bytes, size_t length, int *width, int *height);

/// Decodes to interleaved 8-bit RGB, as it is stored, into `width * height * 3` bytes. Returns 0, or -1 when anything is wrong
/// with the file, however little.
int millrace_jpeg_decode(const uint8_t *bytes, size_t length, uint8_t *pixels, int width, int height);

#pragma clang assume_nonnull end
