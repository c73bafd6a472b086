// How a response is read and an answer is judged: AgentGym's rules.
#ifndef SOJOURN_ENVS_SEARCHQA_ANSWER_H_
#define SOJOURN_ENVS_SEARCHQA_ANSWER_H_

#include <string>
#include <string_view>
#include <vector>

namespace sojourn::envs::searchqa {

// The first <search>...</search> or <answer>...</answer> of a response decides what it does. The
// text is what stands between, without white space at its ends; of several answers the last one is
// judged, even when a search stands between them.
struct Move {
  enum Kind { kNone, kSearch, kAnswer } kind = kNone;
  std::string_view text;  // of the response
};
Move ReadMove(std::string_view response);

// Lower case, without ASCII punctuation, without the words "a", "an" and "the", and with single
// spaces between words. (Python's str.lower, but for a final sigma.)
std::string NormalizeAnswer(std::string_view answer);

// Equal to one of the answers when both are normalized.
bool IsExactMatch(std::string_view answer, const std::vector<std::string>& answers);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_ANSWER_H_
