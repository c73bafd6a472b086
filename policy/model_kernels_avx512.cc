#define SOJOURN_KERNELS avx512
#include "policy/model_kernels_impl.h"
