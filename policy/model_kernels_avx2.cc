#define SOJOURN_KERNELS avx2
#include "policy/model_kernels_impl.h"
