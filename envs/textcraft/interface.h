// TextCraft's words and texts, for interface variants.
#ifndef SOJOURN_ENVS_TEXTCRAFT_INTERFACE_H_
#define SOJOURN_ENVS_TEXTCRAFT_INTERFACE_H_

#include "envs/interface.h"

namespace sojourn::envs::textcraft {

Interface TextInterface();

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_INTERFACE_H_
