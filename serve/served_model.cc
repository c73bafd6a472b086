#include "serve/served_model.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/model_files.h"
#include "serve/api_error.h"

namespace sojourn::serve {
namespace {

// ChatML, in which Sojourn's own models speak: <|im_start|>ROLE\nTEXT<|im_end|>\n for each message.
std::vector<int32_t> ChatMl(const policy::Tokenizer& tokenizer, int32_t start, int32_t end,
                            const ChatRequest& request) {
  std::vector<int32_t> tokens;
  const auto append = [&](const std::string& text) {
    const auto ids = tokenizer.Encode(text);
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  };
  for (const ChatMessage& message : request.messages) {
    tokens.push_back(start);
    append(absl::StrCat(message.role, "\n", message.content));
    tokens.push_back(end);
    append("\n");
  }
  if (request.add_generation_prompt) {
    tokens.push_back(start);
    append("assistant\n");
  }
  return tokens;
}

}  // namespace

absl::StatusOr<LoadedModel> LoadServedModel(const std::string& path, const std::string& name,
                                            policy::EngineOptions options) {
  const std::filesystem::path folder = path;
  auto model = policy::LoadModel(path);
  if (!model.ok()) return model.status();
  auto loaded = policy::Tokenizer::Load((folder / "tokenizer.json").string());
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
  const int32_t start = tokenizer->SpecialId("<|im_start|>"),
                end = tokenizer->SpecialId("<|im_end|>");
  if (end >= 0) served.eos_tokens.push_back(end);
  served.encode_text = [tokenizer](std::string_view text, bool add_special) {
    return tokenizer->Encode(text, {.parse_special = true, .add_special = add_special});
  };
  served.encode_chat = [tokenizer, start,
                        end](const ChatRequest& request) -> absl::StatusOr<std::vector<int32_t>> {
    if (start < 0 || end < 0) {
      return ParameterError("messages",
                            "this model has no chat template, and its tokenizer not ChatML's "
                            "special tokens: use /v1/completions");
    }
    return ChatMl(*tokenizer, start, end, request);
  };
  auto engine = policy::Engine::Create(std::make_shared<policy::Model>(*std::move(model)), options);
  if (!engine.ok()) return engine.status();
  result.engine = *std::move(engine);
  return result;
}

}  // namespace sojourn::serve
