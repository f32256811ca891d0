#ifndef MILLRACE_SHARED_MEMORY_H
#define MILLRACE_SHARED_MEMORY_H

#include <stdbool.h>

/// Makes a file without a name that lies in memory, closed on exec: Linux's `memfd_create(2)`. It is gone when no process has it open or mapped.
///
/// Returns a descriptor, or -1 with `errno`.
int millrace_memory_file_make(const char *name);

/// Forbids for good that the file grows, shrinks or is written to. Nobody may have it mapped for writing.
///
/// Returns 0, or -1 with `errno`.
int millrace_memory_file_seal(int descriptor);

/// Whether the descriptor is such a file, and can neither shrink nor be written to any more.
bool millrace_memory_file_is_sealed(int descriptor);

#endif
