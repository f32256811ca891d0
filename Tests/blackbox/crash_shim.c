// Stands in front of zlib's crc32 in a worker of crashing_input.py. Every reader of PNG files checks its chunks with it, so this is
// where a decoder breaks when a chunk bears the mark.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const char mark[] = "MILLRACE-BREAKS-HERE";

unsigned long crc32(unsigned long crc, const unsigned char *bytes, unsigned int length) {
  static unsigned long (*real)(unsigned long, const unsigned char *, unsigned int);
  if (bytes && memmem(bytes, length, mark, sizeof mark - 1)) abort();
  if (!real) {
    void *library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library || !(*(void **)&real = dlsym(library, "crc32"))) abort();
  }
  return real(crc, bytes, length);
}
