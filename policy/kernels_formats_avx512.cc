#define SOJOURN_KERNELS avx512
#include "policy/kernels_formats_impl.h"
