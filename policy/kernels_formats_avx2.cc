#define SOJOURN_KERNELS avx2
#include "policy/kernels_formats_impl.h"
