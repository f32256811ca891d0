// libvips as it is loaded at run time: most processes of Millrace never see an image, and it brings 20 MB of libraries with it.
//
// Each entry has the name, the types and the constants of libvips 8 (ABI 42); see <vips/vips.h>.
#pragma once

#include <stddef.h>

typedef struct VipsImage VipsImage;

enum { VIPS_ACCESS_SEQUENTIAL = 1, VIPS_FAIL_ON_ERROR = 2, VIPS_FORMAT_UCHAR = 0, VIPS_INTERPRETATION_sRGB = 22 };
enum { G_LOG_LEVEL_WARNING = 16, G_LOG_LEVEL_MESSAGE = 32, G_LOG_LEVEL_INFO = 64 };

typedef void (*MillraceLogHandler)(const char *domain, int level, const char *message, void *data);

#define MILLRACE_VIPS_ENTRIES(entry)                                                                                   \
  entry(int, vips_init, (const char *))                                                                                \
  entry(void, vips_concurrency_set, (int))                                                                             \
  entry(void, vips_cache_set_max, (int))                                                                               \
  entry(void, vips_block_untrusted_set, (int))                                                                         \
  entry(int, vips_jpegload_buffer, (void *, size_t, VipsImage **, ...))                                                \
  entry(int, vips_pngload_buffer, (void *, size_t, VipsImage **, ...))                                                 \
  entry(int, vips_webpload_buffer, (void *, size_t, VipsImage **, ...))                                                \
  entry(int, vips_tiffload_buffer, (void *, size_t, VipsImage **, ...))                                                \
  entry(int, vips_image_get_n_pages, (VipsImage *))                                                                    \
  entry(int, vips_image_get_width, (const VipsImage *))                                                                \
  entry(int, vips_image_get_height, (const VipsImage *))                                                               \
  entry(int, vips_image_get_bands, (const VipsImage *))                                                                \
  entry(int, vips_image_get_format, (const VipsImage *))                                                               \
  entry(int, vips_image_get_interpretation, (const VipsImage *))                                                       \
  entry(int, vips_image_get_orientation, (VipsImage *))                                                                \
  entry(VipsImage *, vips_image_copy_memory, (VipsImage *))                                                            \
  entry(int, vips_autorot, (VipsImage *, VipsImage **, ...))                                                           \
  entry(int, vips_colourspace, (VipsImage *, VipsImage **, int, ...))                                                  \
  entry(int, vips_cast, (VipsImage *, VipsImage **, int, ...))                                                         \
  entry(void *, vips_image_write_to_memory, (VipsImage *, size_t *))                                                   \
  entry(VipsImage *, vips_image_new_from_memory, (const void *, size_t, int, int, int, int))                           \
  entry(int, vips_pngsave_buffer, (VipsImage *, void **, size_t *, ...))                                               \
  entry(void, vips_error, (const char *, const char *, ...))                                                           \
  entry(char *, vips_error_buffer_copy, (void))                                                                        \
  entry(void, vips_thread_shutdown, (void))                                                                            \
  entry(void, g_free, (void *))                                                                                        \
  entry(void *, g_object_ref, (void *))                                                                                \
  entry(void, g_object_unref, (void *))                                                                                \
  entry(unsigned, g_log_set_handler, (const char *, int, MillraceLogHandler, void *))

#define MILLRACE_VIPS_MEMBER(result, name, parameters) result(*name) parameters;
typedef struct MillraceVips {
  MILLRACE_VIPS_ENTRIES(MILLRACE_VIPS_MEMBER)
} MillraceVips;
