// Requests of OpenAI's API (platform.openai.com/docs/api-reference: chat and completions), with the
// extensions of vLLM's server that inference for reinforcement learning uses: top_k,
// stop_token_ids, ignore_eos, return_token_ids, return_tokens_as_token_ids, add_generation_prompt,
// add_special_tokens, chat_template_kwargs. No LibTorch, no HTTP.
//
// Every error is InvalidArgument and names the parameter (api_error.h). A parameter that would
// change the answer and is not supported is refused unless it has its neutral value; an unknown
// one is refused with a suggestion. null is the same as absent.
#ifndef SOJOURN_SERVE_OPENAI_REQUEST_H_
#define SOJOURN_SERVE_OPENAI_REQUEST_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/engine.h"

namespace sojourn::serve {

inline constexpr int kMostTopLogprobs = 20;  // OpenAI's limit
inline constexpr int kMostChoices = 128;     // n: OpenAI's limit
inline constexpr int kMostPrompts = 2048;    // of one completion request
inline constexpr int kMostStopStrings = 16;

struct RequestOptions {
  std::string model;
  int n = 1;
  policy::SamplingParameters sampling;
  std::optional<int> max_tokens;
  std::optional<uint64_t> seed;  // absent: another one each time
  std::vector<std::string> stop;
  std::vector<int32_t> stop_token_ids;  // beside the model's own
  bool ignore_eos = false;              // leaves the model's own out
  bool stream = false, include_usage = false;
  bool return_token_ids = false;
  bool tokens_as_ids = false;       // in log-probabilities: "token_id:N" instead of text
  std::optional<int> top_logprobs;  // log-probabilities are wanted, and of so many alternatives
};

struct ChatMessage {
  std::string role, content;
};

struct ChatRequest {
  RequestOptions options;
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
  bool add_special_tokens = false;
  nlohmann::ordered_json template_variables;  // an object or null: what else the template is told
};

using Prompt = std::variant<std::string, std::vector<int32_t>>;

struct CompletionRequest {
  RequestOptions options;
  std::vector<Prompt> prompts;
  bool echo = false;
  bool add_special_tokens = true;
};

// `defaults`: of a request that does not say (the model's generation config).
absl::StatusOr<ChatRequest> ParseChatRequest(std::string_view body,
                                             const policy::SamplingParameters& defaults = {});
absl::StatusOr<CompletionRequest> ParseCompletionRequest(
    std::string_view body, const policy::SamplingParameters& defaults = {});

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_OPENAI_REQUEST_H_
