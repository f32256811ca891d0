#include "onnxruntime_entries.h"

#include <dlfcn.h>
#include <stdio.h>

typedef struct OrtApiBase {
  const MillraceOrtApi *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} OrtApiBase;

static int fail(char *message, size_t messageBytes, const char *fallback) {
  const char *reason = dlerror();
  snprintf(message, messageBytes, "%s", reason ? reason : fallback);
  return -1;
}

int millrace_ort_open(const char *path, MillraceOrtLibrary *out, char *message, size_t messageBytes) {
  dlerror();
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fail(message, messageBytes, "it cannot be loaded");
  const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
  if (!base) {
    fail(message, messageBytes, "it has no OrtGetApiBase");
    dlclose(library);
    return -1;
  }
  out->version = base()->GetVersionString();
  out->api = base()->GetApi(MILLRACE_ORT_API_VERSION);
  out->appendCUDA = (OrtResult(*)(OrtSessionOptions *, int))dlsym(library, "OrtSessionOptionsAppendExecutionProvider_CUDA");
  return 0;
}
