// The ReAct form of a response, and how AgentGym's clients read the action out of it.
#ifndef SOJOURN_ENVS_REACT_H_
#define SOJOURN_ENVS_REACT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sojourn::envs {

// "Thought: THOUGHT\nAction: ACTION"
std::string FormatReAct(std::string_view thought, std::string_view action);

// The action that AgentGym's clients of BabyAI and TextCraft send for a response: CleanAction of
// the line that follows "Action:" and any white space; "" when there is no "Action:".
// InvalidArgument when the response has several such lines; its message is the observation that the
// agent is then given (no reward, not done, and the environment does not hear of it).
absl::StatusOr<std::string> ParseAction(std::string_view response);

// Without all but ASCII letters, digits, commas and spaces; runs of spaces become one, none at the
// ends.
std::string CleanAction(std::string_view action);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_REACT_H_
