#define SOJOURN_KERNELS baseline
#include "policy/kernels_formats_impl.h"
