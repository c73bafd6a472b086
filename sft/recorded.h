// Recorded conversations as demonstrations.
#ifndef SOJOURN_SFT_RECORDED_H_
#define SOJOURN_SFT_RECORDED_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sft/demonstrations.h"

namespace sojourn::sft {

// A file of JSON lines or one JSON array; an element is {"messages": [{"role", "content"}, ...]} (OpenAI's form)
// or {"conversations": [{"from", "value"}, ...]} (ShareGPT's, which AgentGym's AgentTraj-L has). Messages of
// the user (user, human, system before the first, tool) and of the assistant (assistant, gpt) alternate, the
// user's first. "loss": false on an assistant's message says that it is not learned; when it is the first one,
// the two first messages are the instructions and their acceptance. What follows the last assistant's message
// is left out. InvalidArgument names the file, the line (or the element), the message and the fault.
absl::StatusOr<std::vector<Demonstration>> ReadRecorded(const std::string& path);

}  // namespace sojourn::sft

#endif  // SOJOURN_SFT_RECORDED_H_
