// What players of SearchQA do next, given what they have seen. Actions are whole responses without
// thoughts: <search>QUERY</search> or <answer>ANSWER</answer>.
#ifndef SOJOURN_ENVS_SEARCHQA_PLAYERS_H_
#define SOJOURN_ENVS_SEARCHQA_PLAYERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "envs/environment.h"
#include "envs/searchqa/game.h"

namespace sojourn::envs::searchqa {

// Searches for the passages of the question's steps (for the question itself, when none are known),
// each at most twice, and then gives the answer, which it knows.
Instance::Advice ExpertAdvice(const Game& game);

// Searches for the first name in the question, takes the first fact that its passage tells for the
// answer, whatever was asked, and goes on with the next name there. The expert's advice when there
// is nothing left.
Instance::Advice GoalBlindAdvice(const Game& game);

// A search for the question, and a search for and an answer with each of the first so many names
// and years in the question and the passages shown.
inline constexpr size_t kMostNames = 48;
std::vector<std::string> ValidActions(const Game& game);

// The names in a text: runs of words with capitals, joined by "of", and numbers of four digits.
std::vector<std::string> FindNames(std::string_view text);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_PLAYERS_H_
