#include "serve/model_settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "serve/chat_prompt.h"
#include "policy/text_files.h"
#include "policy/tokenizer_json.h"

namespace sojourn::serve {
namespace {

using nlohmann::json;

// An object; an empty one when there is no such file.
absl::StatusOr<json> ReadObject(const std::string& path) {
  const auto text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return json::object();
  if (!text.ok()) return text.status();
  absl::StatusOr<json> object = policy::ParseJson(*text);
  if (object.ok() && object->is_object()) return object;
  return absl::DataLossError(absl::StrCat(path, ": not a JSON object",
                                          object.ok() ? "" : absl::StrCat(": ", object.status().message())));
}

// A special token's text: a string, or an object that has it as content.
std::string TokenText(const json& config, const char* name) {
  const auto found = config.find(name);
  if (found == config.end()) return "";
  const json& token = found->is_object() ? found->value("content", json()) : *found;
  return token.is_string() ? token.get<std::string>() : "";
}

std::string TemplateOf(const json& config) {
  const auto found = config.find("chat_template");
  if (found == config.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return "";
  for (const json& one : *found) {
    if (one.is_object() && one.value("name", json()) == "default" &&
        one.value("template", json()).is_string()) {
      return one["template"].get<std::string>();
    }
  }
  return "";
}

}  // namespace

namespace {

// A GGUF file's metadata say all there is.
absl::StatusOr<ModelSettings> FromGguf(const std::string& path, const policy::Tokenizer& tokenizer) {
  const auto source = policy::LoadChatSource(path, tokenizer);
  if (!source.ok()) return source.status();
  ModelSettings settings;
  settings.chat_template = source->chat_template;
  settings.bos = source->variables.value("bos_token", "");
  settings.eos = source->variables.value("eos_token", "");
  settings.eos_tokens = source->stop_tokens;
  const int32_t end = tokenizer.SpecialId("<|im_end|>");
  if (settings.chat_template.empty() && end >= 0) settings.chat_template = kChatMl;
  if (end >= 0 && std::find(settings.eos_tokens.begin(), settings.eos_tokens.end(), end) == settings.eos_tokens.end()) {
    settings.eos_tokens.push_back(end);
  }
  return settings;
}

}  // namespace

absl::StatusOr<ModelSettings> ReadModelSettings(const std::string& directory,
                                                const policy::Tokenizer& tokenizer) {
  if (policy::IsGguf(directory)) return FromGguf(directory, tokenizer);
  const auto config = ReadObject(directory + "/config.json"),
             generation = ReadObject(directory + "/generation_config.json"),
             texts = ReadObject(directory + "/tokenizer_config.json");
  for (const auto* object : {&config, &generation, &texts}) {
    if (!object->ok()) return object->status();
  }
  ModelSettings settings;
  const auto add_end = [&](int64_t id) {
    auto& ends = settings.eos_tokens;
    const bool known = std::find(ends.begin(), ends.end(), id) != ends.end();
    if (id >= 0 && id < tokenizer.vocab_size() && !known) ends.push_back(static_cast<int32_t>(id));
  };
  for (const json* object : {&*config, &*generation}) {
    const json ids = object->value("eos_token_id", json());
    for (const json& id : ids.is_array() ? ids : json::array({ids})) {
      if (id.is_number_integer()) add_end(id.get<int64_t>());
    }
  }
  settings.bos = TokenText(*texts, "bos_token");
  settings.eos = TokenText(*texts, "eos_token");
  if (!settings.eos.empty()) add_end(tokenizer.SpecialId(settings.eos));

  const auto jinja = ReadFile(directory + "/chat_template.jinja");
  if (!jinja.ok() && !absl::IsNotFound(jinja.status())) return jinja.status();
  settings.chat_template = jinja.ok() ? *jinja : TemplateOf(*texts);
  const int32_t chatml_end = tokenizer.SpecialId("<|im_end|>");
  if (settings.chat_template.empty() && chatml_end >= 0 &&
      tokenizer.SpecialId("<|im_start|>") >= 0) {
    settings.chat_template = kChatMl;
    add_end(chatml_end);
  }

  const auto number = [&](const char* name, auto fallback) {
    const json value = generation->value(name, json());
    return value.is_number() ? value.get<decltype(fallback)>() : fallback;
  };
  policy::SamplingParameters& sampling = settings.sampling;
  sampling.temperature = number("temperature", sampling.temperature);
  sampling.top_p = number("top_p", sampling.top_p);
  sampling.top_k = number("top_k", sampling.top_k);
  if (generation->value("do_sample", json()) == false) sampling = {.temperature = 0};
  return settings;
}

}  // namespace sojourn::serve
