#include "millrace_vips.h"

#include <vips/vips.h>

// What libvips warns of is about one input; it comes back as that input's error, or it does not matter.
static void drop_message(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data) {}

int millrace_vips_start(void) {
  if (VIPS_INIT("millrace")) return -1;
  g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO, drop_message, NULL);
  // Images are decoded in parallel by their callers; a second layer of threads would only fight for the cores.
  vips_concurrency_set(1);
  // Inputs come once: results of operations are not worth keeping.
  vips_cache_set_max(0);
  // Loaders that are not hardened against hostile files (ImageMagick, PDF, SVG...).
  vips_block_untrusted_set(TRUE);
  return 0;
}

void *millrace_image_open(MillraceImageKind kind, const void *bytes, size_t length, MillraceImageHeader *header) {
  VipsImage *image = NULL;
  void *buffer = (void *)bytes;
  int failed = -1;
  // "error" includes "truncated": half a photo is a damaged photo, not a gray one.
  switch (kind) {
  case MILLRACE_IMAGE_JPEG:
    failed = vips_jpegload_buffer(buffer, length, &image, "fail_on", VIPS_FAIL_ON_ERROR, "access",
                                  VIPS_ACCESS_SEQUENTIAL, NULL);
    break;
  case MILLRACE_IMAGE_PNG:
    failed = vips_pngload_buffer(buffer, length, &image, "fail_on", VIPS_FAIL_ON_ERROR, "access",
                                 VIPS_ACCESS_SEQUENTIAL, NULL);
    break;
  case MILLRACE_IMAGE_WEBP:
    failed = vips_webpload_buffer(buffer, length, &image, "fail_on", VIPS_FAIL_ON_ERROR, "access",
                                  VIPS_ACCESS_SEQUENTIAL, NULL);
    break;
  }
  if (failed || !image) return NULL;
  header->width = vips_image_get_width(image);
  header->height = vips_image_get_height(image);
  header->orientation = vips_image_get_orientation(image);
  return image;
}

void millrace_image_close(void *image) { g_object_unref(image); }

// Replaces `*image` by `next`, the outcome of an operation on it. Returns -1 when the operation failed.
static int step(VipsImage **image, VipsImage *next, int failed) {
  if (failed) return -1;
  g_object_unref(*image);
  *image = next;
  return 0;
}

static int upright(VipsImage **image) {
  if (vips_image_get_orientation(*image) <= 1) return 0;
  // The file is read from top to bottom; turning it needs it in memory.
  VipsImage *memory = vips_image_copy_memory(*image);
  if (step(image, memory, memory == NULL)) return -1;
  VipsImage *turned = NULL;
  int failed = vips_autorot(*image, &turned, NULL);
  return step(image, turned, failed);
}

static int to_srgb(VipsImage **image) {
  VipsImage *next = NULL;
  if (vips_image_get_interpretation(*image) != VIPS_INTERPRETATION_sRGB) {
    int failed = vips_colourspace(*image, &next, VIPS_INTERPRETATION_sRGB, NULL);
    if (step(image, next, failed)) return -1;
  }
  if (vips_image_get_format(*image) != VIPS_FORMAT_UCHAR) {
    next = NULL;
    int failed = vips_cast(*image, &next, VIPS_FORMAT_UCHAR, NULL);
    if (step(image, next, failed)) return -1;
  }
  return 0;
}

uint8_t *millrace_image_decode(void *source, int *width, int *height, int *bands) {
  VipsImage *image = source;
  g_object_ref(image);
  uint8_t *pixels = NULL;
  size_t length = 0;
  if (!upright(&image) && !to_srgb(&image)) {
    *width = vips_image_get_width(image);
    *height = vips_image_get_height(image);
    *bands = vips_image_get_bands(image);
    if (*bands == 3 || *bands == 4) {
      pixels = vips_image_write_to_memory(image, &length);
      if (pixels && length != (size_t)*width * *height * *bands) {
        g_free(pixels);
        pixels = NULL;
      }
    } else {
      vips_error("millrace", "%d colour channels", *bands);
    }
  }
  g_object_unref(image);
  return pixels;
}

void millrace_pixels_free(void *pixels) { g_free(pixels); }

uint8_t *millrace_image_encode_png(const uint8_t *rgb, int width, int height, size_t *length) {
  size_t size = (size_t)width * height * 3;
  VipsImage *image = vips_image_new_from_memory(rgb, size, width, height, 3, VIPS_FORMAT_UCHAR);
  if (!image) return NULL;
  void *png = NULL;
  int failed = vips_pngsave_buffer(image, &png, length, NULL);
  g_object_unref(image);
  return failed ? NULL : png;
}

void millrace_vips_take_error(char *message, size_t capacity) {
  char *text = vips_error_buffer_copy();
  g_strlcpy(message, text ? text : "", capacity);
  g_free(text);
}

void millrace_vips_thread_done(void) { vips_thread_shutdown(); }
