#include "millrace_turbojpeg.h"

#include <dlfcn.h>
#include <pthread.h>

// TurboJPEG's API of version 2.1, which later ones keep; see <turbojpeg.h>.
typedef void *Handle;
enum { FORMAT_RGB = 0 };
enum { COLORS_RGB = 0, COLORS_YCBCR = 1, COLORS_GRAY = 2 };
// The result must be that of libjpeg's own defaults. Half a photo is a damaged photo. A file of thousands of scans is an attack.
enum { ACCURATE_DCT = 4096, STOP_ON_WARNING = 8192, LIMIT_SCANS = 32768 };

static struct {
  Handle (*init)(void);
  int (*header)(Handle, const unsigned char *, unsigned long, int *, int *, int *, int *);
  int (*decompress)(Handle, const unsigned char *, unsigned long, unsigned char *, int, int, int, int, int);
  int (*destroy)(Handle);
} turbo;

static int started = -1;

static void load(void) {
  void *library = dlopen("libturbojpeg.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  *(void **)&turbo.init = dlsym(library, "tjInitDecompress");
  *(void **)&turbo.header = dlsym(library, "tjDecompressHeader3");
  *(void **)&turbo.decompress = dlsym(library, "tjDecompress2");
  *(void **)&turbo.destroy = dlsym(library, "tjDestroy");
  if (turbo.init && turbo.header && turbo.decompress && turbo.destroy) started = 0;
}

int millrace_jpeg_start(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  return started;
}

int millrace_jpeg_size(const uint8_t *bytes, size_t length, int *width, int *height) {
  Handle handle = turbo.init();
  if (!handle) return -1;
  int subsampling = 0, colors = 0;
  int failed = turbo.header(handle, bytes, length, width, height, &subsampling, &colors);
  turbo.destroy(handle);
  int known = colors == COLORS_RGB || colors == COLORS_YCBCR || colors == COLORS_GRAY;
  return failed || !known || *width <= 0 || *height <= 0 ? -1 : 0;
}

int millrace_jpeg_decode(const uint8_t *bytes, size_t length, uint8_t *pixels, int width, int height) {
  Handle handle = turbo.init();
  if (!handle) return -1;
  int flags = ACCURATE_DCT | STOP_ON_WARNING | LIMIT_SCANS;
  int failed = turbo.decompress(handle, bytes, length, pixels, width, 0, height, FORMAT_RGB, flags);
  turbo.destroy(handle);
  return failed ? -1 : 0;
}
