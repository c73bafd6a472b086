// Model directories on disk: config.json, model.safetensors, tokenizer.json.
#ifndef SOJOURN_POLICY_MODEL_FILES_H_
#define SOJOURN_POLICY_MODEL_FILES_H_

#include <string>

#include "absl/status/statusor.h"
#include "policy/model.h"

namespace sojourn::policy {

// The safetensors format (header length, JSON header, data): checked in full before any tensor is made.
// Tensors of a read file own their memory. DataLoss names the file and the place of the fault.
absl::StatusOr<Weights> ReadSafetensors(const std::string& path);
// Written to PATH.part, synced, then renamed: a reader never sees half a file. Tensors in map order.
absl::Status WriteSafetensors(const std::string& path, const Weights& tensors);

absl::StatusOr<Model> LoadModel(const std::string& directory);   // config.json and model.safetensors
// Writes config.json, model.safetensors, and copies tokenizer files from `tokenizer_from`.
absl::Status SaveModel(const std::string& directory, const Model& model, const std::string& tokenizer_from);

absl::StatusOr<std::string> FileSha256(const std::string& path);   // lower-case hex

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_MODEL_FILES_H_
