#include "policy/text_files.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "policy/gguf_keys.h"
#include "policy/tokenizer_parts.h"

namespace sojourn::policy {
namespace {

absl::StatusOr<TokenizerParts> ReadGgufParts(const std::string& path) {
  auto file = GgufFile::Open(path);
  if (!file.ok()) return file.status();
  GgufKeys keys(**file);
  const auto texts = [&](const std::vector<std::string_view>& views) {
    return std::vector<std::string>(views.begin(), views.end());
  };
  TokenizerParts parts;
  parts.model = keys.Get<std::string_view>("tokenizer.ggml.model");
  parts.pre = keys.Get<std::string_view>("tokenizer.ggml.pre", "default");
  parts.tokens = texts(keys.Get<std::vector<std::string_view>>("tokenizer.ggml.tokens"));
  parts.merges = texts(keys.Get<std::vector<std::string_view>>("tokenizer.ggml.merges", {}));
  for (const double score : keys.Get<std::vector<double>>("tokenizer.ggml.scores", {})) {
    parts.scores.push_back(static_cast<float>(score));
  }
  for (const int64_t type : keys.Get<std::vector<int64_t>>("tokenizer.ggml.token_type", {})) {
    parts.token_types.push_back(static_cast<int32_t>(type));
  }
  const auto id = [&](const char* name) {
    return static_cast<int32_t>(keys.Get<int64_t>(absl::StrCat("tokenizer.ggml.", name), -1));
  };
  parts.bos_id = id("bos_token_id");
  parts.eos_id = id("eos_token_id");
  parts.unknown_id = id("unknown_token_id");
  parts.add_bos = keys.Get<bool>("tokenizer.ggml.add_bos_token", parts.model == "llama");
  parts.add_eos = keys.Get<bool>("tokenizer.ggml.add_eos_token", false);
  parts.add_space_prefix = keys.Get<bool>("tokenizer.ggml.add_space_prefix", true);
  if (!keys.status().ok()) return keys.status();
  return parts;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadGgufTokenizer(const std::string& path) {
  auto parts = ReadGgufParts(path);
  if (!parts.ok()) return parts.status();
  auto tokenizer = Tokenizer::FromParts(*std::move(parts));
  if (!tokenizer.ok()) {
    return absl::Status(tokenizer.status().code(), absl::StrCat(path, ": ", tokenizer.status().message()));
  }
  return tokenizer;
}

absl::StatusOr<ChatSource> LoadGgufChatSource(const std::string& path, const Tokenizer& tokenizer) {
  auto file = GgufFile::Open(path);
  if (!file.ok()) return file.status();
  GgufKeys keys(**file);
  ChatSource source;
  source.chat_template = keys.Get<std::string_view>("tokenizer.chat_template", "");
  if (!source.chat_template.empty()) source.name = absl::StrCat(path, ": tokenizer.chat_template");
  const std::pair<const char*, const char*> named[] = {{"bos_token", "tokenizer.ggml.bos_token_id"},
                                                       {"eos_token", "tokenizer.ggml.eos_token_id"}};
  for (const auto& [variable, key] : named) {
    const int64_t id = keys.Get<int64_t>(key, -1);
    if (id < 0) continue;
    source.variables[variable] = tokenizer.Decode({static_cast<int32_t>(id)}, /*with_special=*/true);
    if (std::string_view(variable) == "eos_token") source.stop_tokens.push_back(static_cast<int32_t>(id));
  }
  if (!keys.status().ok()) return keys.status();
  return source;
}

}  // namespace

bool IsGguf(const std::string& path) { return absl::EndsWith(path, ".gguf"); }

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& path) {
  return IsGguf(path) ? LoadGgufTokenizer(path) : Tokenizer::Load(path + "/tokenizer.json");
}

absl::StatusOr<ChatSource> LoadChatSource(const std::string& path, const Tokenizer& tokenizer) {
  return IsGguf(path) ? LoadGgufChatSource(path, tokenizer) : ReadChatSource(path, tokenizer);
}

absl::Status ExportTextFiles(const std::string& path, const std::string& directory) {
  auto parts = ReadGgufParts(path);
  if (!parts.ok()) return parts.status();
  auto tokenizer = TokenizerJson(*parts);
  if (!tokenizer.ok()) return tokenizer.status();
  const auto loaded = Tokenizer::FromParts(*parts);
  if (!loaded.ok()) return loaded.status();
  const auto source = LoadGgufChatSource(path, **loaded);
  if (!source.ok()) return source.status();
  nlohmann::ordered_json whole = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  whole.update(nlohmann::ordered_json::parse(tokenizer->dump()));
  nlohmann::ordered_json settings = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                     {"clean_up_tokenization_spaces", false}};
  nlohmann::ordered_json generation = nlohmann::ordered_json::object();
  for (const char* name : {"bos_token", "eos_token"}) {
    if (source->variables.contains(name)) settings[name] = source->variables[name];
  }
  if (parts->bos_id >= 0) generation["bos_token_id"] = parts->bos_id;
  if (parts->eos_id >= 0) generation["eos_token_id"] = parts->eos_id;
  const std::pair<const char*, std::string> files[] = {{"tokenizer.json", whole.dump() + "\n"},
                                                       {"tokenizer_config.json", settings.dump(2) + "\n"},
                                                       {"generation_config.json", generation.dump(2) + "\n"},
                                                       {"chat_template.jinja", source->chat_template}};
  for (const auto& [name, text] : files) {
    if (text.empty()) continue;
    absl::Status written = WriteFileAtomically(absl::StrCat(directory, "/", name), text);
    if (!written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace sojourn::policy
