#include "endpoint/completion.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/json.h"

namespace sojourn::endpoint {
namespace {

using nlohmann::json;

constexpr size_t kShownBytes = 300;  // of what an endpoint says

json Options(const CompletionRequest& request, bool messages) {
  json body = {{"model", request.model},
               {"max_tokens", request.max_tokens},
               {"temperature", request.sampling.temperature}};
  if (request.sampling.temperature > 0) {
    body["top_p"] = request.sampling.top_p;
    if (request.sampling.top_k > 0) body["top_k"] = request.sampling.top_k;
    body["seed"] = request.seed;
  }
  if (!request.stop_tokens.empty()) body["stop_token_ids"] = request.stop_tokens;
  if (request.dialect == Dialect::kTokenIds) body["return_token_ids"] = true;
  if (request.dialect == Dialect::kLogprobs) {
    if (messages) {
      body["logprobs"] = true;
    } else {
      body["logprobs"] = 1;
    }
    body["return_tokens_as_token_ids"] = true;
    body["return_meta_info"] = true;
  }
  return body;
}

std::string Dump(const json& body) {
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string Shown(std::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text.size() <= kShownBytes) return std::string(text);
  size_t end = kShownBytes;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not within a character
  return absl::StrCat(text.substr(0, end), "...");
}

const json& Member(const json& object, const char* name) {
  static const json none;
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

bool IsToken(const json& value) {
  return value.is_number_integer() && value >= 0 && value <= INT32_MAX;
}

absl::Status Malformed(std::string_view what, std::string_view body) {
  return absl::DataLossError(
      absl::StrCat("malformed answer: ", what, "; it begins: ", Shown(body)));
}

// The ids in texts "token_id:N"; false when one is none.
bool AddTokenName(const json& name, std::vector<int32_t>& tokens) {
  if (!name.is_string()) return false;
  absl::string_view text = name.get_ref<const std::string&>();
  int32_t id = 0;
  if (!absl::ConsumePrefix(&text, "token_id:") || !absl::SimpleAtoi(text, &id) || id < 0)
    return false;
  tokens.push_back(id);
  return true;
}

// `each(element, tokens)` adds an element's id, or returns false.
template <typename Each>
std::optional<std::vector<int32_t>> ReadIds(const json& list, Each each) {
  if (!list.is_array()) return std::nullopt;
  std::vector<int32_t> tokens;
  for (const json& element : list) {
    if (!each(element, tokens)) return std::nullopt;
  }
  return tokens;
}

std::optional<std::vector<int32_t>> TokensOf(const json& choice) {
  const auto plain = [](const json& id, std::vector<int32_t>& tokens) {
    if (!IsToken(id)) return false;
    tokens.push_back(id.get<int32_t>());
    return true;
  };
  if (auto tokens = ReadIds(Member(choice, "token_ids"), plain)) return tokens;
  const json& meta = Member(Member(choice, "meta_info"), "output_token_logprobs");
  const auto second = [&](const json& entry, std::vector<int32_t>& tokens) {
    return entry.is_array() && entry.size() >= 2 && plain(entry[1], tokens);
  };
  if (auto tokens = ReadIds(meta, second)) return tokens;
  const json& logprobs = Member(choice, "logprobs");
  if (auto tokens = ReadIds(Member(logprobs, "tokens"), AddTokenName)) return tokens;
  return ReadIds(Member(logprobs, "content"), [](const json& entry, std::vector<int32_t>& tokens) {
    return AddTokenName(Member(entry, "token"), tokens);
  });
}

int64_t Count(const json& usage, const char* name) {
  const json& value = Member(usage, name);
  return value.is_number_unsigned() && value <= INT32_MAX ? value.get<int64_t>() : 0;
}

}  // namespace

std::string TokensBody(const CompletionRequest& request, absl::Span<const int32_t> prompt) {
  json body = Options(request, /*messages=*/false);
  body["prompt"] = std::vector<int32_t>(prompt.begin(), prompt.end());
  return Dump(body);
}

std::string MessagesBody(const CompletionRequest& request,
                         absl::Span<const policy::Message> messages) {
  json body = Options(request, /*messages=*/true);
  json& list = body["messages"] = json::array();
  for (const policy::Message& message : messages) {
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  return Dump(body);
}

absl::StatusOr<Completion> ParseCompletion(std::string_view body, bool messages) {
  const json answer = ParseJson(body);
  if (!answer.is_object()) return Malformed("not a JSON object", body);
  const json& choices = Member(answer, "choices");
  if (!choices.is_array() || choices.empty() || !choices[0].is_object()) {
    return Malformed("no choices", body);
  }
  const json& choice = choices[0];
  Completion completion;
  const json& text =
      messages ? Member(Member(choice, "message"), "content") : Member(choice, "text");
  if (text.is_string()) {
    completion.text = text.get<std::string>();
  } else if (messages && !text.is_null()) {
    return Malformed("choices[0].message.content is no string", body);
  }
  const json& reason = Member(choice, "finish_reason");
  // Of messages a server may make more than text; what is said to be text is played.
  const bool other = messages && (reason == "tool_calls" || reason == "function_call" ||
                                  reason == "content_filter");
  if (reason != "stop" && reason != "length" && !other) {
    return Malformed(absl::StrCat("choices[0].finish_reason is ", Shown(Dump(reason)),
                                  ", expected \"stop\" or \"length\""),
                     body);
  }
  completion.stopped = reason != "length";
  for (const char* name : {"stop_reason", "matched_stop"}) {  // vLLM's and SGLang's
    if (const json& by = Member(choice, name); IsToken(by))
      completion.stop_token = by.get<int32_t>();
  }
  completion.tokens = TokensOf(choice);
  const json& usage = Member(answer, "usage");
  completion.prompt_tokens = Count(usage, "prompt_tokens");
  completion.completion_tokens = completion.tokens.has_value()
                                     ? static_cast<int64_t>(completion.tokens->size())
                                     : Count(usage, "completion_tokens");
  return completion;
}

absl::Status ErrorOf(int http_code, std::string_view body) {
  const json answer = ParseJson(body);
  const json& error = Member(answer, "error");
  std::string said = Shown(body);
  for (const json* value :
       {&Member(error, "message"), &error, &Member(answer, "message"), &Member(answer, "detail")}) {
    if (value->is_null()) continue;
    said = Shown(value->is_string() ? value->get_ref<const std::string&>() : Dump(*value));
    break;
  }
  const std::string text = absl::StrCat("HTTP status ", http_code, said.empty() ? "" : ": ", said);
  if (http_code == 408 || http_code == 425 || http_code == 429 ||
      (http_code >= 500 && http_code != 501)) {
    return absl::UnavailableError(text);
  }
  if (http_code >= 300 && http_code < 400) {
    return absl::FailedPreconditionError(
        absl::StrCat(text, "; redirects are not followed: give the address itself"));
  }
  const std::string lower = absl::AsciiStrToLower(said);
  const bool long_prompt = Member(error, "code") == "context_length_exceeded" ||
                           absl::StrContains(lower, "context length") ||
                           absl::StrContains(lower, "maximum context") ||
                           absl::StrContains(lower, "context window");
  switch (http_code) {
    case 401:
      return absl::UnauthenticatedError(text);
    case 403:
      return absl::PermissionDeniedError(text);
    case 404:
      return absl::NotFoundError(text);
    case 400:
    case 413:
    case 422:
      if (long_prompt) return absl::OutOfRangeError(text);
      [[fallthrough]];
    default:
      return absl::InvalidArgumentError(text);
  }
}

bool Refuses(Dialect dialect, const absl::Status& error) {
  if (!absl::IsInvalidArgument(error)) return false;
  const std::string_view said = error.message();
  return (dialect == Dialect::kTokenIds && absl::StrContains(said, "return_token_ids")) ||
         (dialect == Dialect::kLogprobs &&
          (absl::StrContains(said, "return_tokens_as_token_ids") ||
           absl::StrContains(said, "return_meta_info") || absl::StrContains(said, "logprobs")));
}

absl::StatusOr<std::vector<EndpointModel>> ParseModels(std::string_view body) {
  const json answer = ParseJson(body);
  const json& list = Member(answer, "data");
  if (!list.is_array()) return Malformed("no list of models in \"data\"", body);
  std::vector<EndpointModel> models;
  for (const json& entry : list) {
    const json& id = Member(entry, "id");
    if (!id.is_string()) return Malformed("a model without \"id\"", body);
    models.push_back({id.get<std::string>(), Count(entry, "max_model_len")});
  }
  return models;
}

}  // namespace sojourn::endpoint
