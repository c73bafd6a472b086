// What remote environments answer, read strictly: a server is never believed more than it must be.
#ifndef SOJOURN_ENVS_REMOTE_REPLIES_H_
#define SOJOURN_ENVS_REMOTE_REPLIES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/environment.h"
#include "sojourn/v1/environment.pb.h"

namespace sojourn::envs::remote {

// AgentGym's servers differ in what they call things and in the forms of their answers.
struct AgentGymForm {
  const char* kind;
  const char* id;            // the number of an environment, in requests
  const char* create_body;   // of POST /create; the answer is a number, or {"id": N}
  const char* task;          // the task's number, in POST /reset
  const char* reset_extra;   // further members of its body, ", ..."
  const char* observation;   // of a step's answer
  bool bare_observation;     // a reset's answer is the observation itself (or a list that begins with it)
  bool lists_actions;        // available_actions, which AgentGym's client tells the agent at first
  bool has_close;
  double success_reward;     // done with at least so much is a success
};
const std::vector<AgentGymForm>& AgentGymForms();
const AgentGymForm* FindAgentGymForm(std::string_view kind);  // null: unknown

struct Reply {
  Turn turn;
  std::vector<std::string> valid_actions;  // where the server tells them
};

// DataLoss: the body is not what the contract says, and where. Aborted: it is {"error": ...}.
absl::StatusOr<std::string> ParseAgentGymId(const AgentGymForm& form, std::string_view body);
absl::StatusOr<Reply> ParseAgentGymReset(const AgentGymForm& form, std::string_view body);
absl::StatusOr<Reply> ParseAgentGymStep(const AgentGymForm& form, std::string_view body);

// A WebSocket's message that answers reset or step. `observation_field` is the member of the
// observation that is the agent's text; "success", "invalid_action" and "progress" are taken where
// they are; without "success", done with a reward of 1 or more is one.
absl::StatusOr<Reply> ParseOpenEnv(std::string_view observation_field, std::string_view message);

absl::StatusOr<Reply> ParseResponse(const v1::EnvironmentResponse& response);

}  // namespace sojourn::envs::remote

#endif  // SOJOURN_ENVS_REMOTE_REPLIES_H_
