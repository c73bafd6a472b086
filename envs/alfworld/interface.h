// ALFWorld's words and texts, for interface variants.
#ifndef SOJOURN_ENVS_ALFWORLD_INTERFACE_H_
#define SOJOURN_ENVS_ALFWORLD_INTERFACE_H_

#include "envs/interface.h"

namespace sojourn::envs::alfworld {

// Of the made-up households, and of games with the same wording; others have some sentences of
// their own, which stay as they are.
Interface TextInterface();

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_INTERFACE_H_
