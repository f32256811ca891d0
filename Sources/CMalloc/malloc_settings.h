// The C library's own settings of its memory allocator, which Swift's Glibc module leaves out.
#include <malloc.h>
