#define SOJOURN_KERNELS avx512_bf16
#include "policy/kernels_formats_impl.h"
