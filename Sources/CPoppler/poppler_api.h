// poppler's GLib interface as it is loaded at run time: most processes of Millrace never see a PDF.
//
// Each entry has the name, the types and the constants of libpoppler-glib 0.18 (ABI 8, from poppler 21.12), cairo 1 and
// GLib 2; see <poppler.h>, <cairo.h> and <glib-object.h>.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct PopplerDocument PopplerDocument;
typedef struct PopplerPage PopplerPage;
typedef struct GBytes GBytes;
typedef struct cairo_surface_t cairo_surface_t;
typedef struct cairo_t cairo_t;

typedef struct GError {
  uint32_t domain;
  int code;
  char *message;
} GError;

typedef struct GList {
  void *data;
  struct GList *next;
  struct GList *previous;
} GList;

typedef struct PopplerImageMapping {
  struct {
    double x1, y1, x2, y2;
  } area;
  int image_id;
} PopplerImageMapping;

enum { POPPLER_ERROR_ENCRYPTED = 1 };
enum { CAIRO_STATUS_SUCCESS = 0, CAIRO_FORMAT_RGB24 = 1 };
enum { G_LOG_LEVEL_WARNING = 16, G_LOG_LEVEL_MESSAGE = 32, G_LOG_LEVEL_INFO = 64 };

typedef void (*MillraceLogHandler)(const char *domain, int level, const char *message, void *data);

#define MILLRACE_POPPLER_ENTRIES(entry)                                                                                \
  entry(PopplerDocument *, poppler_document_new_from_fd, (int, const char *, GError **))                               \
  entry(PopplerDocument *, poppler_document_new_from_bytes, (GBytes *, const char *, GError **))                       \
  entry(int, poppler_document_get_n_pages, (PopplerDocument *))                                                        \
  entry(PopplerPage *, poppler_document_get_page, (PopplerDocument *, int))                                            \
  entry(uint32_t, poppler_error_quark, (void))                                                                         \
  entry(void, poppler_page_get_size, (PopplerPage *, double *, double *))                                              \
  entry(void, poppler_page_render, (PopplerPage *, cairo_t *))                                                         \
  entry(GList *, poppler_page_get_image_mapping, (PopplerPage *))                                                      \
  entry(void, poppler_page_free_image_mapping, (GList *))                                                              \
  entry(cairo_surface_t *, poppler_page_get_image, (PopplerPage *, int))                                               \
  entry(cairo_surface_t *, cairo_image_surface_create, (int, int, int))                                                \
  entry(unsigned char *, cairo_image_surface_get_data, (cairo_surface_t *))                                            \
  entry(int, cairo_image_surface_get_width, (cairo_surface_t *))                                                       \
  entry(int, cairo_image_surface_get_height, (cairo_surface_t *))                                                      \
  entry(int, cairo_image_surface_get_stride, (cairo_surface_t *))                                                      \
  entry(int, cairo_surface_status, (cairo_surface_t *))                                                                \
  entry(void, cairo_surface_flush, (cairo_surface_t *))                                                                \
  entry(void, cairo_surface_destroy, (cairo_surface_t *))                                                              \
  entry(cairo_t *, cairo_create, (cairo_surface_t *))                                                                  \
  entry(int, cairo_status, (cairo_t *))                                                                                \
  entry(void, cairo_destroy, (cairo_t *))                                                                              \
  entry(void, cairo_set_source_rgb, (cairo_t *, double, double, double))                                               \
  entry(void, cairo_set_source_surface, (cairo_t *, cairo_surface_t *, double, double))                                \
  entry(void, cairo_paint, (cairo_t *))                                                                                \
  entry(void, cairo_scale, (cairo_t *, double, double))                                                                \
  entry(GBytes *, g_bytes_new_static, (const void *, size_t))                                                          \
  entry(void, g_bytes_unref, (GBytes *))                                                                               \
  entry(void, g_error_free, (GError *))                                                                                \
  entry(void, g_free, (void *))                                                                                        \
  entry(void, g_object_unref, (void *))                                                                                \
  entry(unsigned, g_log_set_handler, (const char *, int, MillraceLogHandler, void *))

#define MILLRACE_POPPLER_MEMBER(result, name, parameters) result(*name) parameters;
typedef struct MillracePoppler {
  MILLRACE_POPPLER_ENTRIES(MILLRACE_POPPLER_MEMBER)
} MillracePoppler;
