#include "millrace_vips.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "vips_api.h"

static MillraceVips vips;

static const char *const libraries[] = {"libvips.so.42", "libvips.42.dylib", NULL};

// Also finds what libvips itself depends on: GLib's calls.
static int load(void) {
  void *library = NULL;
  for (int index = 0; libraries[index] && !library; index++) library = dlopen(libraries[index], RTLD_NOW | RTLD_LOCAL);
  if (!library) return -1;
#define MILLRACE_VIPS_FIND(result, name, parameters)                                                                   \
  if (!(*(void **)&vips.name = dlsym(library, #name))) return -1;
  MILLRACE_VIPS_ENTRIES(MILLRACE_VIPS_FIND)
  return 0;
}

// What libvips warns of is about one input; it comes back as that input's error, or it does not matter.
static void drop_message(const char *domain, int level, const char *message, void *data) {}

int millrace_vips_start(void) {
  if (load() || vips.vips_init("millrace")) return -1;
  vips.g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO, drop_message, NULL);
  // Images are decoded in parallel by their callers; a second layer of threads would only fight for the cores.
  vips.vips_concurrency_set(1);
  // Inputs come once: results of operations are not worth keeping.
  vips.vips_cache_set_max(0);
  // Loaders that are not hardened against hostile files (ImageMagick, PDF, SVG...).
  vips.vips_block_untrusted_set(1);
  return 0;
}

void *millrace_image_open(MillraceImageKind kind, const void *bytes, size_t length, int page,
                          MillraceImageHeader *header) {
  VipsImage *image = NULL;
  void *buffer = (void *)bytes;
  int failed = -1;
  // "error" includes "truncated": half a photo is a damaged photo, not a gray one.
  switch (kind) {
  case MILLRACE_IMAGE_JPEG:
    failed = vips.vips_jpegload_buffer(buffer, length, &image, "fail_on", VIPS_FAIL_ON_ERROR, "access",
                                  VIPS_ACCESS_SEQUENTIAL, NULL);
    break;
  case MILLRACE_IMAGE_PNG:
    failed = vips.vips_pngload_buffer(buffer, length, &image, "fail_on", VIPS_FAIL_ON_ERROR, "access",
                                 VIPS_ACCESS_SEQUENTIAL, NULL);
    break;
  case MILLRACE_IMAGE_WEBP:
    failed = vips.vips_webpload_buffer(buffer, length, &image, "fail_on", VIPS_FAIL_ON_ERROR, "access",
                                  VIPS_ACCESS_SEQUENTIAL, NULL);
    break;
  case MILLRACE_IMAGE_TIFF:
    failed = vips.vips_tiffload_buffer(buffer, length, &image, "page", page, "fail_on", VIPS_FAIL_ON_ERROR, "access",
                                  VIPS_ACCESS_SEQUENTIAL, NULL);
    break;
  }
  if (failed || !image) return NULL;
  header->width = vips.vips_image_get_width(image);
  header->height = vips.vips_image_get_height(image);
  header->orientation = vips.vips_image_get_orientation(image);
  header->pages = kind == MILLRACE_IMAGE_TIFF ? vips.vips_image_get_n_pages(image) : 1;
  return image;
}

void millrace_image_close(void *image) { vips.g_object_unref(image); }

// Replaces `*image` by `next`, the outcome of an operation on it. Returns -1 when the operation failed.
static int step(VipsImage **image, VipsImage *next, int failed) {
  if (failed) return -1;
  vips.g_object_unref(*image);
  *image = next;
  return 0;
}

static int upright(VipsImage **image) {
  if (vips.vips_image_get_orientation(*image) <= 1) return 0;
  // The file is read from top to bottom; turning it needs it in memory.
  VipsImage *memory = vips.vips_image_copy_memory(*image);
  if (step(image, memory, memory == NULL)) return -1;
  VipsImage *turned = NULL;
  int failed = vips.vips_autorot(*image, &turned, NULL);
  return step(image, turned, failed);
}

static int to_srgb(VipsImage **image) {
  VipsImage *next = NULL;
  if (vips.vips_image_get_interpretation(*image) != VIPS_INTERPRETATION_sRGB) {
    int failed = vips.vips_colourspace(*image, &next, VIPS_INTERPRETATION_sRGB, NULL);
    if (step(image, next, failed)) return -1;
  }
  if (vips.vips_image_get_format(*image) != VIPS_FORMAT_UCHAR) {
    next = NULL;
    int failed = vips.vips_cast(*image, &next, VIPS_FORMAT_UCHAR, NULL);
    if (step(image, next, failed)) return -1;
  }
  return 0;
}

uint8_t *millrace_image_decode(void *source, int *width, int *height, int *bands) {
  VipsImage *image = source;
  vips.g_object_ref(image);
  uint8_t *pixels = NULL;
  size_t length = 0;
  if (!upright(&image) && !to_srgb(&image)) {
    *width = vips.vips_image_get_width(image);
    *height = vips.vips_image_get_height(image);
    *bands = vips.vips_image_get_bands(image);
    if (*bands == 3 || *bands == 4) {
      pixels = vips.vips_image_write_to_memory(image, &length);
      if (pixels && length != (size_t)*width * *height * *bands) {
        vips.g_free(pixels);
        pixels = NULL;
      }
    } else {
      vips.vips_error("millrace", "%d colour channels", *bands);
    }
  }
  vips.g_object_unref(image);
  return pixels;
}

void millrace_pixels_free(void *pixels) { vips.g_free(pixels); }

uint8_t *millrace_image_encode_png(const uint8_t *rgb, int width, int height, size_t *length) {
  size_t size = (size_t)width * height * 3;
  VipsImage *image = vips.vips_image_new_from_memory(rgb, size, width, height, 3, VIPS_FORMAT_UCHAR);
  if (!image) return NULL;
  void *png = NULL;
  int failed = vips.vips_pngsave_buffer(image, &png, length, NULL);
  vips.g_object_unref(image);
  return failed ? NULL : png;
}

void millrace_vips_take_error(char *message, size_t capacity) {
  char *text = vips.vips_error_buffer_copy();
  snprintf(message, capacity, "%s", text ? text : "");
  vips.g_free(text);
}

void millrace_vips_thread_done(void) { vips.vips_thread_shutdown(); }
