// Requests and answers of OpenAI's API (platform.openai.com/docs/api-reference: chat and
// completions) as the engine of an endpoint needs them: one choice, not streamed, with the ids of
// its tokens. No HTTP.
#ifndef SOJOURN_ENDPOINT_COMPLETION_H_
#define SOJOURN_ENDPOINT_COMPLETION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policy/engine.h"

namespace sojourn::endpoint {

// How an endpoint is asked for token ids; each is tried when the one before brought none.
enum class Dialect {
  kTokenIds,  // "return_token_ids": vLLM since 0.10.2, SGLang since 2026, `sojourn serve-model`
  // With log-probabilities: vLLM's "return_tokens_as_token_ids" ("token_id:N" instead of texts) and
  // SGLang's "return_meta_info" (meta_info.output_token_logprobs: [logprob, id, text]).
  kLogprobs,
  kText,  // not at all: enough for conversations as messages
};

struct CompletionRequest {
  std::string model;
  Dialect dialect = Dialect::kTokenIds;
  policy::SamplingParameters sampling;
  int max_tokens = 0;
  uint64_t seed = 0;                 // of what is sampled
  std::vector<int32_t> stop_tokens;  // beside the model's own; tokens alone
};

std::string TokensBody(const CompletionRequest& request, absl::Span<const int32_t> prompt);
std::string MessagesBody(const CompletionRequest& request,
                         absl::Span<const policy::Message> messages);

struct Completion {
  std::optional<std::vector<int32_t>> tokens;  // none: the endpoint told no ids
  std::string text;
  bool stopped = false;               // else max_tokens or the context's end
  std::optional<int32_t> stop_token;  // which of request.stop_tokens, when the endpoint says it
  int64_t prompt_tokens = 0,
          completion_tokens = 0;  // by "usage"; completion_tokens also by the ids
};

// Of an answer with HTTP status 200; `messages`: of /v1/chat/completions. DataLoss: what is wrong.
absl::StatusOr<Completion> ParseCompletion(std::string_view body, bool messages);

// What an answer with another status says is wrong: the message in it, or its beginning.
// Unavailable (busy or broken: worth another try), OutOfRange (the prompt is longer than the
// context), Unauthenticated, PermissionDenied, NotFound, FailedPrecondition (a redirect), else
// InvalidArgument.
absl::Status ErrorOf(int http_code, std::string_view body);

// Whether the endpoint refused to be asked in this way.
bool Refuses(Dialect dialect, const absl::Status& error);

struct EndpointModel {
  std::string name;
  int64_t max_context_tokens = 0;  // 0: the endpoint does not say
};
// Of an answer of /v1/models with HTTP status 200.
absl::StatusOr<std::vector<EndpointModel>> ParseModels(std::string_view body);

}  // namespace sojourn::endpoint

#endif  // SOJOURN_ENDPOINT_COMPLETION_H_
