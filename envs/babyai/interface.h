// BabyAI's words and texts, for interface variants.
#ifndef SOJOURN_ENVS_BABYAI_INTERFACE_H_
#define SOJOURN_ENVS_BABYAI_INTERFACE_H_

#include "envs/interface.h"

namespace sojourn::envs::babyai {

Interface TextInterface();

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_INTERFACE_H_
