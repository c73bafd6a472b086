// Hugging Face model directories: config.json, model.safetensors, tokenizer.json.
#ifndef SOJOURN_POLICY_MODEL_FILES_H_
#define SOJOURN_POLICY_MODEL_FILES_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "policy/model.h"
#include "policy/safetensors.h"

namespace sojourn::policy {

// A GGUF file (gguf_model.h), or a directory: from config.json and model.safetensors, or the files that model.safetensors.index.json names. The files
// are mapped, and weights that have the wanted type already are not copied; no type: that of the file.
// InvalidArgument, NotFound or DataLoss name the file and the fault.
absl::StatusOr<Model> LoadModel(const std::string& directory,
                                std::optional<torch::ScalarType> type = torch::kFloat);
// Its configuration alone.
absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& path);
// Writes config.json, model.safetensors in the weights' type, and from `tokenizer_from` (a directory or a GGUF
// file; empty: none) tokenizer.json, and tokenizer_config.json, special_tokens_map.json,
// generation_config.json and chat_template.jinja where they are.
absl::Status SaveModel(const std::string& directory, const Model& model,
                       const std::string& tokenizer_from);

absl::StatusOr<std::string> FileSha256(const std::string& path);  // lower-case hex

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_MODEL_FILES_H_
