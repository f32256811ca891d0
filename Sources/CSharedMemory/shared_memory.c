#define _GNU_SOURCE
#include "shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

int millrace_memory_file_make(const char *name) {
    return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

int millrace_memory_file_seal(int descriptor) {
    return fcntl(descriptor, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL);
}

bool millrace_memory_file_is_sealed(int descriptor) {
    // Fails on every other kind of file.
    int seals = fcntl(descriptor, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) && (seals & F_SEAL_WRITE);
}
