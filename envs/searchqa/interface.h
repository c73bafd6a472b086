// SearchQA's words and texts, for interface variants.
#ifndef SOJOURN_ENVS_SEARCHQA_INTERFACE_H_
#define SOJOURN_ENVS_SEARCHQA_INTERFACE_H_

#include "envs/interface.h"

namespace sojourn::envs::searchqa {

// It names no objects: whatever a question and the passages name is one.
Interface TextInterface();

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_INTERFACE_H_
