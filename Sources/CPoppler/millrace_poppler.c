#include "millrace_poppler.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "poppler_api.h"

static MillracePoppler poppler;

static const char *const libraries[] = {"libpoppler-glib.so.8", "libpoppler-glib.8.dylib", NULL};

// cairo's limit for an image.
static const int sideMax = 32767;
// Poppler scales an image that is larger than this down before it gives it out at its full size.
static const int imageSideMax = 8192;

// For what may open and close fonts; see the header.
static pthread_mutex_t fonts = PTHREAD_MUTEX_INITIALIZER;

// MARK: Loading

// Also finds what libpoppler-glib itself depends on: the calls of cairo and GLib.
static int load(void) {
  void *library = NULL;
  for (int index = 0; libraries[index] && !library; index++) library = dlopen(libraries[index], RTLD_NOW | RTLD_LOCAL);
  if (!library) return -1;
#define MILLRACE_POPPLER_FIND(result, name, parameters)                                                                \
  if (!(*(void **)&poppler.name = dlsym(library, #name))) return -1;
  MILLRACE_POPPLER_ENTRIES(MILLRACE_POPPLER_FIND)
  return 0;
}

// What poppler warns of is about one file; it comes back as that file's error, or it does not matter.
static void drop_message(const char *domain, int level, const char *message, void *data) {}

// A document of one empty page, without the table of its objects: poppler finds them.
static const char blank[] = "%PDF-1.4\n"
                            "1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj\n"
                            "2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj\n"
                            "3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 1 1]>> endobj\n"
                            "trailer <</Root 1 0 R>>\n";

// Never closed: poppler drops its settings with the last document, only to read them again for the next.
static PopplerDocument *kept;

// The first page that is read sets up the colours for all, without a lock.
static int warm_up(void) {
  GBytes *bytes = poppler.g_bytes_new_static(blank, sizeof blank - 1);
  kept = poppler.poppler_document_new_from_bytes(bytes, NULL, NULL);
  poppler.g_bytes_unref(bytes);
  if (!kept) return -1;
  PopplerPage *page = poppler.poppler_document_get_page(kept, 0);
  if (!page) return -1;
  poppler.poppler_page_free_image_mapping(poppler.poppler_page_get_image_mapping(page));
  poppler.g_object_unref(page);
  return 0;
}

static int started = -1;

static void start(void) {
  if (load()) return;
  int levels = G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO;
  poppler.g_log_set_handler("Poppler", levels, drop_message, NULL);
  started = warm_up();
}

int millrace_poppler_start(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
  return started;
}

// MARK: Documents

static void *fail(MillracePDFError kind, const char *reason, MillracePDFError *error, char *message, size_t capacity) {
  *error = kind;
  snprintf(message, capacity, "%s", reason);
  return NULL;
}

static MillracePDFError kind_of(const GError *reason) {
  if (reason->domain != poppler.poppler_error_quark()) return MILLRACE_PDF_UNREADABLE;
  return reason->code == POPPLER_ERROR_ENCRYPTED ? MILLRACE_PDF_ENCRYPTED : MILLRACE_PDF_DAMAGED;
}

// Poppler reads from a file descriptor what it needs, when it needs it: a large file takes no memory. A mapping would
// take none either, but kills the process when the file is cut short meanwhile; and a name would have to be made a URI.
void *millrace_pdf_open(const char *path, MillracePDFError *error, char *message, size_t capacity) {
  // Opening must not wait for the other end of a pipe.
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return fail(MILLRACE_PDF_UNREADABLE, strerror(errno), error, message, capacity);
  struct stat status;
  if (fstat(file, &status) || !S_ISREG(status.st_mode)) {
    close(file);
    return fail(MILLRACE_PDF_UNREADABLE, "not a regular file", error, message, capacity);
  }
  GError *reason = NULL;
  // Closes the file, also when it fails.
  PopplerDocument *document = poppler.poppler_document_new_from_fd(file, NULL, &reason);
  if (document) return document;
  if (!reason) return fail(MILLRACE_PDF_DAMAGED, "no reason given", error, message, capacity);
  fail(kind_of(reason), reason->message, error, message, capacity);
  poppler.g_error_free(reason);
  return NULL;
}

void millrace_pdf_close(void *document) {
  pthread_mutex_lock(&fonts);
  poppler.g_object_unref(document);
  pthread_mutex_unlock(&fonts);
}

int millrace_pdf_page_count(void *document) {
  int count = poppler.poppler_document_get_n_pages(document);
  return count > 0 ? count : 0;
}

static PopplerPage *find(void *document, int page) {
  if (page < 0 || page >= millrace_pdf_page_count(document)) return NULL;
  return poppler.poppler_document_get_page(document, page);
}

int millrace_pdf_page_size(void *document, int number, double *width, double *height) {
  PopplerPage *page = find(document, number);
  if (!page) return -1;
  poppler.poppler_page_get_size(page, width, height);
  poppler.g_object_unref(page);
  return 0;
}

// MARK: Pixels

static cairo_surface_t *white(int width, int height) {
  cairo_surface_t *surface = poppler.cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
  cairo_t *context = poppler.cairo_create(surface);
  poppler.cairo_set_source_rgb(context, 1, 1, 1);
  poppler.cairo_paint(context);
  poppler.cairo_destroy(context);
  return surface;
}

// Interleaved RGB from a surface that `white` made, or `NULL` when it could not, or there is no memory.
static uint8_t *packed(cairo_surface_t *surface, int width, int height) {
  if (poppler.cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) return NULL;
  uint8_t *pixels = malloc((size_t)width * height * 3);
  if (!pixels) return NULL;
  poppler.cairo_surface_flush(surface);
  const unsigned char *row = poppler.cairo_image_surface_get_data(surface);
  int stride = poppler.cairo_image_surface_get_stride(surface);
  uint8_t *out = pixels;
  for (int y = 0; y < height; y++, row += stride) {
    // A pixel is a number, whatever the order of its bytes.
    const uint32_t *line = (const uint32_t *)row;
    for (int x = 0; x < width; x++, out += 3) {
      out[0] = (uint8_t)(line[x] >> 16);
      out[1] = (uint8_t)(line[x] >> 8);
      out[2] = (uint8_t)line[x];
    }
  }
  return pixels;
}

// The pixels on a side; 0 when that is no size, or too large for cairo.
static int side(double points, double dpi) {
  double pixels = ceil(points * dpi / 72);
  return pixels >= 1 && pixels <= sideMax ? (int)pixels : 0;
}

static int draw(PopplerPage *page, cairo_surface_t *surface, double dpi) {
  pthread_mutex_lock(&fonts);
  cairo_t *context = poppler.cairo_create(surface);
  poppler.cairo_scale(context, dpi / 72, dpi / 72);
  poppler.poppler_page_render(page, context);
  int status = poppler.cairo_status(context);
  poppler.cairo_destroy(context);
  pthread_mutex_unlock(&fonts);
  return status == CAIRO_STATUS_SUCCESS ? 0 : -1;
}

uint8_t *millrace_pdf_render(void *document, int number, double dpi, int *width, int *height) {
  PopplerPage *page = find(document, number);
  if (!page) return NULL;
  double across = 0, down = 0;
  poppler.poppler_page_get_size(page, &across, &down);
  *width = side(across, dpi);
  *height = side(down, dpi);
  uint8_t *pixels = NULL;
  if (*width && *height) {
    cairo_surface_t *surface = white(*width, *height);
    if (poppler.cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS && !draw(page, surface, dpi)) {
      pixels = packed(surface, *width, *height);
    }
    poppler.cairo_surface_destroy(surface);
  }
  poppler.g_object_unref(page);
  return pixels;
}

// MARK: The only image

// The image's number on the page, or -1 when it is not the only one.
static int only_image(PopplerPage *page) {
  GList *images = poppler.poppler_page_get_image_mapping(page);
  int number = images && !images->next ? ((const PopplerImageMapping *)images->data)->image_id : -1;
  poppler.poppler_page_free_image_mapping(images);
  return number;
}

// Through cairo, which knows every format and the meaning of its alpha.
static uint8_t *on_white(cairo_surface_t *image, int width, int height) {
  cairo_surface_t *surface = white(width, height);
  cairo_t *context = poppler.cairo_create(surface);
  poppler.cairo_set_source_surface(context, image, 0, 0);
  poppler.cairo_paint(context);
  int status = poppler.cairo_status(context);
  poppler.cairo_destroy(context);
  uint8_t *pixels = status == CAIRO_STATUS_SUCCESS ? packed(surface, width, height) : NULL;
  poppler.cairo_surface_destroy(surface);
  return pixels;
}

int millrace_pdf_has_one_image(void *document, int number) {
  PopplerPage *page = find(document, number);
  if (!page) return 0;
  int id = only_image(page);
  poppler.g_object_unref(page);
  return id >= 0;
}

uint8_t *millrace_pdf_only_image(void *document, int number, int64_t pixelsMax, int *width, int *height) {
  PopplerPage *page = find(document, number);
  if (!page) return NULL;
  uint8_t *pixels = NULL;
  int id = only_image(page);
  cairo_surface_t *image = id < 0 ? NULL : poppler.poppler_page_get_image(page, id);
  if (image && poppler.cairo_surface_status(image) == CAIRO_STATUS_SUCCESS) {
    *width = poppler.cairo_image_surface_get_width(image);
    *height = poppler.cairo_image_surface_get_height(image);
    int fits = *width <= imageSideMax && *height <= imageSideMax && (int64_t)*width * *height <= pixelsMax;
    if (*width > 0 && *height > 0 && fits) pixels = on_white(image, *width, *height);
  }
  if (image) poppler.cairo_surface_destroy(image);
  poppler.g_object_unref(page);
  return pixels;
}

void millrace_pdf_pixels_free(void *pixels) { free(pixels); }
