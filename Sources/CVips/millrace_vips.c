#include "millrace_vips.h"
