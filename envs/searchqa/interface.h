// SearchQA's words and texts, for interface variants.
#ifndef SOJOURN_ENVS_SEARCHQA_INTERFACE_H_
#define SOJOURN_ENVS_SEARCHQA_INTERFACE_H_

#include "envs/interface.h"

namespace sojourn::envs::searchqa {

// Its objects are the kinds of things that questions and passages are about, made up and real ones,
// and countries. The names of persons, works and places that only some corpora have stay.
Interface TextInterface();

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_INTERFACE_H_
