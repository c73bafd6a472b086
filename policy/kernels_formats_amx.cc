#define SOJOURN_KERNELS amx
#include "policy/kernels_formats_impl.h"
