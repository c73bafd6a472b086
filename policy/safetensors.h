// The safetensors format: an 8-byte little-endian header length, a JSON header (name -> type, shape,
// place), the data without holes.
#ifndef SOJOURN_POLICY_SAFETENSORS_H_
#define SOJOURN_POLICY_SAFETENSORS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/model.h"

namespace sojourn::policy {

// Checked in full before any tensor is made; DataLoss names the file (`path` in messages) and the fault.
// Tensors own their memory.
absl::StatusOr<Weights> ParseSafetensors(std::string_view bytes, const std::string& path);
std::string SerializeSafetensors(
    const Weights& tensors);  // contiguous CPU copies are made where needed

// Tensors lie in the mapped file and keep it open; changing one does not change the file.
absl::StatusOr<Weights> ReadSafetensors(const std::string& path);
// Written to PATH.part, synced, then renamed: a reader never sees half a file. Tensors in map
// order.
absl::Status WriteSafetensors(const std::string& path, const Weights& tensors);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_SAFETENSORS_H_
