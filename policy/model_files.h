// Model directories on disk: config.json, model.safetensors, tokenizer.json.
#ifndef SOJOURN_POLICY_MODEL_FILES_H_
#define SOJOURN_POLICY_MODEL_FILES_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "policy/model.h"

namespace sojourn::policy {

// The safetensors format: an 8-byte little-endian header length, a JSON header (name -> type,
// shape, place), the data without holes. Checked in full before any tensor is made; DataLoss names
// the file (`path` in messages) and the fault. Tensors own their memory.
absl::StatusOr<Weights> ParseSafetensors(std::string_view bytes, const std::string& path);
std::string SerializeSafetensors(
    const Weights& tensors);  // contiguous CPU copies are made where needed

absl::StatusOr<Weights> ReadSafetensors(const std::string& path);
// Written to PATH.part, synced, then renamed: a reader never sees half a file. Tensors in map
// order.
absl::Status WriteSafetensors(const std::string& path, const Weights& tensors);

// From config.json and model.safetensors; weights of any floating-point type become fp32.
absl::StatusOr<Model> LoadModel(const std::string& directory);
// Writes config.json, model.safetensors, and copies tokenizer.json, and tokenizer_config.json,
// special_tokens_map.json and generation_config.json where they are, from the folder
// `tokenizer_from` (empty: none).
absl::Status SaveModel(const std::string& directory, const Model& model,
                       const std::string& tokenizer_from);

absl::StatusOr<std::string> FileSha256(const std::string& path);  // lower-case hex

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_MODEL_FILES_H_
