#define SOJOURN_KERNELS baseline
#include "policy/model_kernels_impl.h"
