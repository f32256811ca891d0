// The few calls of poppler and cairo that Millrace needs to get pages of PDF files as pixels.
//
// Threads: a document belongs to one thread at a time, different documents may be used by different threads. poppler
// 22.12 locks what its documents share, except for two things that this library takes care of: what it sets up for
// colours when a first page is read (`millrace_poppler_start` has that done), and the one FreeType library in which all
// documents open their fonts, for which FreeType wants a lock. So pages are rendered, and documents closed, one at a
// time in a process; opening, sizes and `millrace_pdf_only_image` run in parallel.
//
// Hostile files: nothing here can be stopped while it runs, and poppler aborts the process when memory runs out or a
// file asks for an absurd amount of it: an image said to be two billion pixels wide is enough for `only_image`, in a
// file of 700 bytes. An image is held at 4 bytes a pixel and up to 32,767 pixels a side (4 GB), whatever resolution its
// page is rendered at, and poppler-glib does not tell its size before. So files of strangers belong into a process of
// their own, with limits.
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

typedef enum MillracePDFError {
  /// The file cannot be opened, or it is not a regular file.
  MILLRACE_PDF_UNREADABLE,
  /// It cannot be read without a password.
  MILLRACE_PDF_ENCRYPTED,
  MILLRACE_PDF_DAMAGED
} MillracePDFError;

/// Loads poppler, once per process, and must have returned 0 before anything else here. Returns 0, or -1 when poppler
/// is missing. Any thread may call it, any number of times.
int millrace_poppler_start(void);

/// Opens a PDF file that needs no password. What is read from it is only what is asked for; it must not change until
/// the document is closed. Returns `NULL` with `*error`, and what poppler says of it in `message`, at most `capacity`
/// bytes with the final zero.
void *_Nullable millrace_pdf_open(const char *path, MillracePDFError *error, char *message, size_t capacity);
void millrace_pdf_close(void *document);

/// May be 0.
int millrace_pdf_page_count(void *document);

/// The size of a page (the first is 0) as it is shown: cropped and turned, in points (1/72 inch). Nothing is drawn.
/// Returns 0, or -1 when there is no such page.
int millrace_pdf_page_size(void *document, int page, double *width, double *height);

/// Draws a page on white, as interleaved 8-bit RGB. Every begun pixel counts: `ceil(points * dpi / 72)`. The memory
/// belongs to the caller, who gives it to `millrace_pdf_pixels_free`. Returns `NULL` when there is no such page, a side
/// is over 32,767 pixels, there is no memory for it, or cairo gave up on a drawing.
///
/// Poppler leaves out, without a word, an image that it has no memory for or that is over 32,767 pixels a side itself.
uint8_t *_Nullable millrace_pdf_render(void *document, int page, double dpi, int *width, int *height);

/// Whether a page holds exactly one image, whatever else is on it.
int millrace_pdf_has_one_image(void *document, int page);

/// The image on a page that holds no other, in its own resolution, as interleaved 8-bit RGB, on white where it is
/// transparent. Freed with `millrace_pdf_pixels_free`. Whether the page looks like the image is left to the caller: it may
/// be drawn turned, cropped, mirrored, or under text, lines and annotations.
///
/// Returns `NULL` when the page is not so, or the image has more than `pixelsMax` pixels or 8,192 a side. Both are only
/// known once it is decoded.
uint8_t *_Nullable millrace_pdf_only_image(void *document, int page, int64_t pixelsMax, int *width, int *height);

void millrace_pdf_pixels_free(void *_Nullable pixels);

#pragma clang assume_nonnull end
