#include "serve/openai_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/json.h"
#include "serve/json_fields.h"

namespace sojourn::serve {
namespace {

using nlohmann::json;

struct Refused {
  const char* name;
  const char* neutral;  // values that ask for nothing, a JSON list
};

// Parameters of OpenAI's or vLLM's API that would change the answer.
constexpr Refused kRefused[] = {
    {"frequency_penalty", "[0]"},
    {"presence_penalty", "[0]"},
    {"repetition_penalty", "[1]"},
    {"length_penalty", "[1]"},
    {"logit_bias", "[{}]"},
    {"min_p", "[0]"},
    {"min_tokens", "[0]"},
    {"best_of", "[1]"},
    {"use_beam_search", "[false]"},
    {"response_format", R"([{"type": "text"}])"},
    {"structured_outputs", "[]"},
    {"guided_json", "[]"},
    {"guided_regex", "[]"},
    {"guided_choice", "[]"},
    {"guided_grammar", "[]"},
    {"allowed_token_ids", "[]"},
    {"logprob_token_ids", "[]"},
    {"bad_words", "[[]]"},
    {"logits_processors", "[[]]"},
    {"include_stop_str_in_output", "[false]"},
    {"skip_special_tokens", "[true]"},
    {"truncate_prompt_tokens", "[]"},
    {"prompt_logprobs", "[]"},
    {"priority", "[0]"},
    {"service_tier", R"(["auto", "default"])"},
};
constexpr Refused kRefusedInChat[] = {
    {"tools", "[[]]"},
    {"tool_choice", R"(["none", "auto"])"},
    {"parallel_tool_calls", "[true, false]"},
    {"functions", "[[]]"},
    {"function_call", R"(["none", "auto"])"},
    {"modalities", R"([["text"]])"},
    {"audio", "[]"},
    {"prediction", "[]"},
    {"reasoning_effort", "[]"},
    {"verbosity", "[]"},
    {"web_search_options", "[]"},
    {"continue_final_message", "[false]"},
    {"echo", "[false]"},
    {"chat_template", "[]"},
    {"documents", "[[]]"},
    {"mm_processor_kwargs", "[{}]"},
};
constexpr Refused kRefusedInCompletions[] = {
    {"suffix", R"([""])"},
    {"prompt_embeds", "[]"},
};
// These say who asks, or how to keep books, and change no answer.
constexpr const char* kIgnored[] = {"user",
                                    "metadata",
                                    "store",
                                    "request_id",
                                    "cache_salt",
                                    "safety_identifier",
                                    "session_id",
                                    "detokenize",
                                    "spaces_between_special_tokens",
                                    "prompt_cache_key"};

absl::StatusOr<json> ParseObject(std::string_view body) {
  if (JsonDepth(body) > kMaxJsonDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("the request's body nests lists and objects deeper than ", kMaxJsonDepth));
  }
  json object = ParseJson(body);
  if (object.is_discarded()) {
    return absl::InvalidArgumentError("the request's body is not JSON (or not UTF-8)");
  }
  if (!object.is_object()) {
    return absl::InvalidArgumentError("the request's body is JSON, but not an object: {...}");
  }
  return object;
}

// A list of token ids; which of them the model has, the engine knows.
bool ReadTokens(const json& list, JsonFields& fields, const std::string& name,
                std::vector<int32_t>& out) {
  out.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_number_unsigned() || list[i].get<uint64_t>() > INT32_MAX) {
      fields.WrongType(absl::StrCat(name, "[", i, "]"), "a token's id", list[i]);
      return false;
    }
    out.push_back(list[i].get<int32_t>());
  }
  return true;
}

void ReadStop(JsonFields& fields, std::vector<std::string>& stop) {
  const json* value = fields.Find("stop");
  if (value == nullptr) return;
  const json list = value->is_array() ? *value : json::array({*value});
  if (list.size() > kMostStopStrings) {
    fields.Fail("stop",
                absl::StrCat("at most ", kMostStopStrings, " stop strings, got ", list.size()));
    return;
  }
  for (const json& text : list) {
    if (!text.is_string()) return fields.WrongType("stop", "a string or a list of strings", text);
    if (text.get_ref<const std::string&>().empty()) {
      return fields.Fail("stop", "a stop string is empty");
    }
    stop.push_back(text.get<std::string>());
  }
}

void ReadSeed(JsonFields& fields, std::optional<uint64_t>& seed) {
  const json* value = fields.Find("seed");
  if (value == nullptr) return;
  if (!value->is_number_integer()) return fields.WrongType("seed", "a whole number", *value);
  // A negative one is as good as any other 64 bits.
  seed = value->is_number_unsigned() ? value->get<uint64_t>()
                                     : static_cast<uint64_t>(value->get<int64_t>());
}

// The engine's own limits (policy/sampler.h), so that an error names its parameter.
void ReadSampling(JsonFields& fields, policy::SamplingParameters& sampling) {
  if (fields.Read("temperature", sampling.temperature) && sampling.temperature != 0 &&
      !(sampling.temperature >= 1e-3 && sampling.temperature <= 1e3)) {
    fields.Fail("temperature",
                absl::StrCat("expected 0 (greedy) or 0.001 to 1000, got ", sampling.temperature));
  }
  if (fields.Read("top_p", sampling.top_p) && !(sampling.top_p > 0 && sampling.top_p <= 1)) {
    fields.Fail("top_p",
                absl::StrCat("expected above 0 and at most 1 (off), got ", sampling.top_p));
  }
  if (fields.Read("top_k", sampling.top_k, -1, INT32_MAX) && sampling.top_k < 0) {
    sampling.top_k = 0;  // vLLM's -1: off
  }
}

void ReadStream(JsonFields& fields, RequestOptions& options) {
  fields.Read("stream", options.stream);
  const json* value = fields.Find("stream_options");
  if (value == nullptr) return;
  if (!value->is_object()) return fields.WrongType("stream_options", "an object", *value);
  if (!options.stream) return fields.Fail("stream_options", "only allowed with \"stream\": true");
  JsonFields of_stream(*value, absl::StrCat(fields.place(), "stream_options."));
  of_stream.Read("include_usage", options.include_usage);
  of_stream.Find("include_obfuscation");  // padding against eavesdroppers: there is none
  of_stream.Refuse("continuous_usage_stats", "[false]");
  fields.Fail(of_stream.Finish());
}

template <size_t n>
void RefuseAll(JsonFields& fields, const Refused (&refused)[n]) {
  for (const Refused& parameter : refused) fields.Refuse(parameter.name, parameter.neutral);
}

// What both endpoints have.
void ReadOptions(JsonFields& fields, RequestOptions& options) {
  fields.Read("model", options.model);
  fields.Read("n", options.n, 1, kMostChoices);
  ReadSampling(fields, options.sampling);
  int max_tokens = 0;
  if (fields.Read("max_tokens", max_tokens, 1, INT32_MAX)) options.max_tokens = max_tokens;
  ReadSeed(fields, options.seed);
  ReadStop(fields, options.stop);
  if (const json* ids = fields.Find("stop_token_ids")) {
    if (ids->is_array()) {
      ReadTokens(*ids, fields, "stop_token_ids", options.stop_token_ids);
    } else {
      fields.WrongType("stop_token_ids", "a list of tokens' ids", *ids);
    }
  }
  fields.Read("ignore_eos", options.ignore_eos);
  fields.Read("return_token_ids", options.return_token_ids);
  fields.Read("return_tokens_as_token_ids", options.tokens_as_ids);
  ReadStream(fields, options);
  RefuseAll(fields, kRefused);
  for (const char* name : kIgnored) fields.Find(name);
}

// A message's text: a string, or a list of parts that are all text.
void ReadContent(JsonFields& fields, std::string& content) {
  const json* value = fields.Find("content");
  if (value == nullptr) return fields.Fail("content", "missing");
  if (value->is_string()) {
    content = value->get<std::string>();
    return;
  }
  if (!value->is_array()) {
    return fields.WrongType("content", "a string or a list of parts", *value);
  }
  for (size_t i = 0; i < value->size(); ++i) {
    const json& part = (*value)[i];
    const std::string place = absl::StrCat("content[", i, "]");
    if (!part.is_object()) return fields.WrongType(place, "an object", part);
    const auto type = part.find("type"), text = part.find("text");
    if (type == part.end() || *type != "text") {
      return fields.Fail(absl::StrCat(place, ".type"), "only parts of type \"text\" are supported",
                         "unsupported_parameter");
    }
    if (text == part.end() || !text->is_string()) {
      return fields.Fail(absl::StrCat(place, ".text"), "expected a string");
    }
    if (i > 0) content += '\n';  // as vLLM joins them
    content += text->get_ref<const std::string&>();
  }
}

absl::StatusOr<ChatMessage> ReadMessage(const json& value, const std::string& place) {
  if (!value.is_object()) return ParameterError(place, "expected an object");
  JsonFields fields(value, place + ".");
  ChatMessage message;
  if (!fields.Read("role", message.role)) {
    fields.Fail("role", "missing");
  } else if (message.role == "developer") {
    message.role = "system";  // OpenAI's newer name
  } else if (message.role != "system" && message.role != "user" && message.role != "assistant") {
    fields.Fail("role", absl::StrCat("expected system, developer, user or assistant, got \"",
                                     message.role, "\""));
  }
  ReadContent(fields, message.content);
  fields.Refuse("name", "[\"\"]");
  fields.Refuse("tool_calls", "[[]]");
  fields.Refuse("tool_call_id", "[]");
  fields.Refuse("function_call", "[]");
  fields.Refuse("audio", "[]");
  // An assistant's message of an earlier answer is often sent back as it came.
  for (const char* ignored : {"refusal", "annotations", "reasoning", "reasoning_content"}) {
    fields.Find(ignored);
  }
  if (absl::Status read = fields.Finish(); !read.ok()) return read;
  return message;
}

void ReadPrompts(JsonFields& fields, std::vector<Prompt>& prompts) {
  const json* value = fields.Find("prompt");
  if (value == nullptr) return fields.Fail("prompt", "missing");
  constexpr char kExpected[] =
      "a string, a list of strings, a list of tokens' ids, or a list of such lists";
  if (value->is_string()) {
    prompts.emplace_back(value->get<std::string>());
    return;
  }
  if (!value->is_array()) return fields.WrongType("prompt", kExpected, *value);
  if (value->empty()) return fields.Fail("prompt", "is empty");
  if (value->front().is_number()) {
    std::vector<int32_t> tokens;
    if (ReadTokens(*value, fields, "prompt", tokens)) prompts.emplace_back(std::move(tokens));
    return;
  }
  if (value->size() > kMostPrompts) {
    return fields.Fail("prompt",
                       absl::StrCat("at most ", kMostPrompts, " prompts, got ", value->size()));
  }
  for (size_t i = 0; i < value->size(); ++i) {
    const json& one = (*value)[i];
    const std::string name = absl::StrCat("prompt[", i, "]");
    if (one.type() != value->front().type() || !(one.is_string() || one.is_array())) {
      return fields.WrongType("prompt", kExpected, one);
    }
    if (one.is_string()) {
      prompts.emplace_back(one.get<std::string>());
      continue;
    }
    if (one.empty()) return fields.Fail(name, "is empty");
    std::vector<int32_t> tokens;
    if (!ReadTokens(one, fields, name, tokens)) return;
    prompts.emplace_back(std::move(tokens));
  }
}

}  // namespace

absl::StatusOr<ChatRequest> ParseChatRequest(std::string_view body,
                                             const policy::SamplingParameters& defaults) {
  const auto object = ParseObject(body);
  if (!object.ok()) return object.status();
  JsonFields fields(*object, "");
  ChatRequest request;
  request.options.sampling = defaults;
  ReadOptions(fields, request.options);
  if (int most = 0; fields.Read("max_completion_tokens", most, 1, INT32_MAX)) {
    if (request.options.max_tokens.value_or(most) != most) {
      fields.Fail("max_tokens", "differs from max_completion_tokens, its newer name: give one");
    }
    request.options.max_tokens = most;
  }
  bool logprobs = false;
  int top_logprobs = 0;
  fields.Read("logprobs", logprobs);
  if (fields.Read("top_logprobs", top_logprobs, 0, kMostTopLogprobs) && !logprobs &&
      top_logprobs > 0) {
    fields.Fail("top_logprobs", "only allowed with \"logprobs\": true");
  }
  if (logprobs) request.options.top_logprobs = top_logprobs;
  fields.Read("add_generation_prompt", request.add_generation_prompt);
  fields.Read("add_special_tokens", request.add_special_tokens);
  if (const json* variables = fields.Find("chat_template_kwargs")) {
    if (variables->is_object()) {
      request.template_variables = *variables;
    } else {
      fields.WrongType("chat_template_kwargs", "an object", *variables);
    }
  }
  RefuseAll(fields, kRefusedInChat);
  const json* messages = fields.Find("messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    fields.Fail("messages", messages == nullptr ? "missing" : "expected a list of messages");
  } else {
    for (size_t i = 0; fields.ok() && i < messages->size(); ++i) {
      auto message = ReadMessage((*messages)[i], absl::StrCat("messages[", i, "]"));
      if (message.ok()) {
        request.messages.push_back(*std::move(message));
      } else {
        fields.Fail(message.status());
      }
    }
  }
  if (absl::Status read = fields.Finish(); !read.ok()) return read;
  return request;
}

absl::StatusOr<CompletionRequest> ParseCompletionRequest(
    std::string_view body, const policy::SamplingParameters& defaults) {
  const auto object = ParseObject(body);
  if (!object.ok()) return object.status();
  JsonFields fields(*object, "");
  CompletionRequest request;
  request.options.sampling = defaults;
  ReadOptions(fields, request.options);
  if (!request.options.max_tokens.has_value()) request.options.max_tokens = 16;  // OpenAI's
  if (int top = 0; fields.Read("logprobs", top, 0, kMostTopLogprobs)) {
    request.options.top_logprobs = top;
  }
  fields.Read("echo", request.echo);
  if (request.echo && request.options.top_logprobs.has_value()) {
    fields.Fail("echo", "not supported together with logprobs: a prompt's are not computed",
                "unsupported_parameter");
  }
  fields.Read("add_special_tokens", request.add_special_tokens);
  RefuseAll(fields, kRefusedInCompletions);
  ReadPrompts(fields, request.prompts);
  if (absl::Status read = fields.Finish(); !read.ok()) return read;
  return request;
}

}  // namespace sojourn::serve
