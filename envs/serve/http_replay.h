// Replays a recorded conversation with one of AgentGym's HTTP servers against ours.
#ifndef SOJOURN_ENVS_SERVE_HTTP_REPLAY_H_
#define SOJOURN_ENVS_SERVE_HTTP_REPLAY_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "envs/webshop/shop.h"

namespace sojourn::envs::serve {

// The environment whose server gave these answers ("babyai", "textcraft", "webshop"), as far as the line of a
// recording tells: "" when it does not.
std::string_view ServerOf(const nlohmann::json& line);

struct HttpDifference {
  int line = 0;  // from 0, an index into the lines
  std::string text;
};

// `lines` are the lines of the recording, in order, from a server's start: JSON objects {"method",
// "path", "body" or "raw_body", "status", "content_type", "response_text"}. They are texts because
// a body's numbers count to the last digit.
//
// Answers are compared character by character, except: of an answer 422 only the status; which
// recipes TextCraft lists that the goal does not need, and in which order (as in
// textcraft/episode_replay.h); and what a recorder left out of a long text, "...(3216 chars)".
// What WebShop's server leaves to chance is taken from the recording: goals by what is shown of them, an
// environment's number by the answer to /create ("ENV" in later lines stands for the last one), and /list_envs
// may begin with numbers from before; of search[<r>] only how much is shown is compared.
// A line of another form is a difference. NotFound for an unknown environment, InvalidArgument for
// WebShop without `shop`, the shop that the recorded server had.
absl::StatusOr<std::vector<HttpDifference>> ReplayHttp(
    std::string_view environment, absl::Span<const std::string> lines,
    const std::shared_ptr<const webshop::Shop>& shop = nullptr);

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_HTTP_REPLAY_H_
