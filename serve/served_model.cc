#include "serve/served_model.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "policy/model_files.h"
#include "policy/text_files.h"
#include "serve/api_error.h"
#include "serve/chat_prompt.h"
#include "serve/model_settings.h"

namespace sojourn::serve {

absl::StatusOr<LoadedModel> LoadServedModel(const std::string& path, const std::string& name,
                                            policy::EngineOptions options) {
  const std::filesystem::path folder = path;
  auto model = policy::LoadModel(path);
  if (!model.ok()) return model.status();
  auto loaded = policy::LoadTokenizer(path);
  if (!loaded.ok()) return loaded.status();
  const std::shared_ptr<const policy::Tokenizer> tokenizer = *std::move(loaded);

  if (options.max_context_tokens == 0) {
    options.max_context_tokens = static_cast<int>(model->config().max_position_embeddings);
  }
  LoadedModel result;
  ServedModel& served = result.served;
  // "models/base/" has an empty last part.
  served.name = !name.empty()           ? name
                : folder.has_filename() ? folder.filename().string()
                                        : folder.parent_path().filename().string();
  served.tokenizer = tokenizer;
  served.max_context_tokens = options.max_context_tokens;
  if (options.kv_cache_tokens > 0) {
    served.max_context_tokens =
        static_cast<int>(std::min<int64_t>(options.max_context_tokens, options.kv_cache_tokens));
  } else {  // conversations that are kept take what is left
    options.kv_cache_tokens = int64_t{options.slots} * options.max_context_tokens;
  }
  served.encode_text = [tokenizer](std::string_view text, bool add_special) {
    return tokenizer->Encode(text, {.parse_special = true, .add_special = add_special});
  };
  const auto settings = ReadModelSettings(path, *tokenizer);
  if (!settings.ok()) return settings.status();
  served.eos_tokens = settings->eos_tokens;
  served.defaults = settings->sampling;
  if (settings->chat_template.empty()) {
    served.encode_chat = [](const ChatRequest&) {
      return ParameterError("messages", "this model has no chat template: use /v1/completions");
    };
  } else {
    auto parsed = policy::ChatTemplate::Parse(settings->chat_template, "the model's chat template");
    if (!parsed.ok()) return parsed.status();
    const ChatPrompt prompt(tokenizer, *std::move(parsed), settings->bos, settings->eos);
    served.encode_chat = [prompt](const ChatRequest& request) { return prompt.Encode(request); };
  }
  auto engine = policy::Engine::Create(std::make_shared<policy::Model>(*std::move(model)), options);
  if (!engine.ok()) return engine.status();
  result.engine = *std::move(engine);
  return result;
}

}  // namespace sojourn::serve
