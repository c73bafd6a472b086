#include "policy/model_files.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/sha256.h"
#include "policy/gguf_model.h"
#include "policy/text_files.h"
#include "policy/tokenizer_json.h"

namespace sojourn::policy {
namespace {

using nlohmann::json;

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// The files that hold the weights: one, or those of the index.
absl::StatusOr<std::set<std::string>> WeightFiles(const std::string& directory) {
  const std::string index_path = absl::StrCat(directory, "/", kIndex);
  std::error_code ignored;
  const bool single = std::filesystem::exists(absl::StrCat(directory, "/", kWeights), ignored);
  if (single || !std::filesystem::exists(index_path, ignored)) return std::set<std::string>{kWeights};
  const auto text = ReadFile(index_path);
  if (!text.ok()) return text.status();
  const absl::StatusOr<json> index = ParseJson(*text);
  if (!index.ok() || !Member(*index, "weight_map").is_object()) {
    return absl::DataLossError(absl::StrCat(index_path, ": expected an object with a weight_map",
                                            index.ok() ? "" : absl::StrCat("; this is ", index.status().message())));
  }
  std::set<std::string> files;
  for (const auto& [name, file] : Member(*index, "weight_map").items()) {
    const std::string base = file.is_string() ? file.get<std::string>() : "";
    if (base.empty() || base[0] == '.' || base.find('/') != std::string::npos) {
      return absl::DataLossError(absl::StrCat(index_path, ": weight_map: ", name, ": ", file.dump(-1, ' ', false, json::error_handler_t::replace),
                                              " is not the name of a file beside it"));
    }
    files.insert(base);
  }
  return files;
}

absl::StatusOr<Weights> ReadWeights(const std::string& directory) {
  const auto files = WeightFiles(directory);
  if (!files.ok()) return files.status();
  Weights weights;
  for (const std::string& file : *files) {
    const std::string path = absl::StrCat(directory, "/", file);
    auto part = ReadSafetensors(path);
    if (!part.ok()) return part.status();
    for (auto& [name, weight] : *part) {
      if (!weights.try_emplace(name, std::move(weight)).second) {
        return absl::DataLossError(absl::StrCat(path, ": ", name, " is in another file of the model too"));
      }
    }
  }
  return weights;
}

// What some writers store beside the weights: the tied matrix again, and rotary frequencies.
void DropExtras(const ModelConfig& config, Weights* weights) {
  if (config.tie_word_embeddings) weights->erase("lm_head.weight");
  std::erase_if(*weights, [](const auto& entry) {
    return absl::EndsWith(entry.first, "rotary_emb.inv_freq");
  });
}

}  // namespace

absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& path) {
  if (IsGguf(path)) {
    const auto file = GgufFile::Open(path);
    if (!file.ok()) return file.status();
    return GgufModelConfig(**file);
  }
  const std::string config_path = path + "/config.json";
  const auto text = ReadFile(config_path);
  if (!text.ok()) return text.status();
  return ParseModelConfig(*text, config_path);
}

absl::StatusOr<Model> LoadModel(const std::string& directory,
                                std::optional<torch::ScalarType> type) {
  if (IsGguf(directory)) return LoadGgufModel(directory, type);
  const auto config = LoadModelConfig(directory);
  if (!config.ok()) return config.status();
  auto weights = ReadWeights(directory);
  if (!weights.ok()) return weights.status();
  DropExtras(*config, &*weights);
  for (auto& [name, weight] : *weights) {
    const auto wanted = type.value_or(weights->begin()->second.scalar_type());
    if (weight.is_floating_point()) weight = weight.to(wanted);
  }
  auto model = Model::Create(*config, *std::move(weights));
  if (!model.ok()) {
    return absl::Status(model.status().code(), absl::StrCat(directory, ": ", model.status().message()));
  }
  return model;
}

absl::Status SaveModel(const std::string& directory, const Model& model,
                       const std::string& tokenizer_from) {
  ModelConfig config = model.config();
  const torch::ScalarType type = model.weights().begin()->second.scalar_type();
  config.torch_dtype = type == torch::kBFloat16 ? "bfloat16" : type == torch::kHalf ? "float16" : "float32";
  if (absl::Status written = WriteFileAtomically(directory + "/config.json", ModelConfigJson(config));
      !written.ok()) {
    return written;
  }
  if (IsGguf(tokenizer_from)) {
    if (absl::Status written = ExportTextFiles(tokenizer_from, directory); !written.ok()) return written;
  } else if (!tokenizer_from.empty()) {
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                             "generation_config.json", "chat_template.jinja"}) {
      const std::string from = absl::StrCat(tokenizer_from, "/", name),
                        to = absl::StrCat(directory, "/", name);
      std::error_code ignored;
      if (std::filesystem::equivalent(from, to, ignored)) continue;
      const auto content = ReadFile(from);
      if (absl::IsNotFound(content.status()) && std::strcmp(name, "tokenizer.json") != 0) continue;
      if (!content.ok()) return content.status();
      if (absl::Status written = WriteFileAtomically(to, *content); !written.ok()) return written;
    }
  }
  // Last: a folder with weights is a whole one.
  return WriteSafetensors(directory + "/model.safetensors", model.weights());
}

absl::StatusOr<std::string> FileSha256(const std::string& path) {
  if (std::error_code error; !std::filesystem::exists(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  }
  std::ifstream file(path, std::ios::binary);
  Sha256 sum;
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), buffer.size()), file.gcount() > 0) {
    sum.Add({buffer.data(), static_cast<size_t>(file.gcount())});
  }
  if (!file.eof()) return absl::DataLossError(absl::StrCat(path, ": cannot be read to its end"));
  return sum.Hex();
}

}  // namespace sojourn::policy
