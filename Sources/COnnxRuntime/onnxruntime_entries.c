#include "onnxruntime_entries.h"
