// Weights and configurations of models in GGUF files (llama.cpp's). Their tokenizers: text_files.h.
#ifndef SOJOURN_POLICY_GGUF_MODEL_H_
#define SOJOURN_POLICY_GGUF_MODEL_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "policy/gguf.h"
#include "policy/model.h"

namespace sojourn::policy {

// InvalidArgument: an architecture other than llama, qwen2 and qwen3, or a key or tensor that is missing or not
// supported, by name.
absl::StatusOr<ModelConfig> GgufModelConfig(const GgufFile& file);
// Dequantized to `type`: fp32, or bfloat16 (also for none).
absl::StatusOr<Model> LoadGgufModel(const std::string& path, std::optional<torch::ScalarType> type);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_GGUF_MODEL_H_
