#include "envs/remote/replies.h"

#include <cmath>
#include <cstdlib>

#include "envs/remote/web_client.h"

namespace {

// What is taken can be trained on.
void Check(const absl::StatusOr<sojourn::envs::remote::Reply>& reply) {
  if (!reply.ok()) return;
  const sojourn::envs::Turn& turn = reply->turn;
  if (!std::isfinite(turn.reward) || (turn.success && !turn.done)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const sojourn::envs::remote::AgentGymForm& form : sojourn::envs::remote::AgentGymForms()) {
    (void)ParseAgentGymId(form, body);
    Check(ParseAgentGymReset(form, body));
    Check(ParseAgentGymStep(form, body));
  }
  Check(sojourn::envs::remote::ParseOpenEnv("text", body));
  sojourn::v1::EnvironmentResponse response;
  if (response.ParseFromArray(data, static_cast<int>(size))) {
    Check(sojourn::envs::remote::ParseResponse(response));
  }
  (void)sojourn::envs::remote::ParseUrl(body);
  return 0;
}
