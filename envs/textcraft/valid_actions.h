#ifndef SOJOURN_ENVS_TEXTCRAFT_VALID_ACTIONS_H_
#define SOJOURN_ENVS_TEXTCRAFT_VALID_ACTIONS_H_

#include <string>
#include <vector>

#include "envs/textcraft/game.h"

namespace sojourn::envs::textcraft {

// What a player who only reads the list would try now: to take an ingredient, in the number that a
// listed recipe needs; a listed recipe for which enough is held, tags replaced by what is held of
// them; the inventory. None would be refused, and none is listed twice.
std::vector<std::string> ValidActions(const Game& game);

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_VALID_ACTIONS_H_
