// The wording of made-up games: a grammar of our own with the sentences of the original.
#ifndef SOJOURN_ENVS_ALFWORLD_WORDING_H_
#define SOJOURN_ENVS_ALFWORLD_WORDING_H_

#include <memory>
#include <string>
#include <string_view>

#include "envs/alfworld/grammar.h"

namespace sojourn::envs::alfworld {

// The text of a game file's grammar. `task` is plain text.
std::string GrammarText(std::string_view task);

// GrammarText as it is read.
std::shared_ptr<const Grammar> Wording();

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_WORDING_H_
