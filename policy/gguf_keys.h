// A GGUF file's metadata, read key by key.
#ifndef SOJOURN_POLICY_GGUF_KEYS_H_
#define SOJOURN_POLICY_GGUF_KEYS_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "policy/gguf.h"

namespace sojourn::policy {

// Reads keys of one file, and remembers the first fault.
class GgufKeys {
 public:
  explicit GgufKeys(const GgufFile& file) : file_(file) {}
  template <typename T>
  T Get(const std::string& key) {
    auto value = file_.Get<T>(key);
    if (!value.ok()) return Fail(value.status()), T{};
    return *std::move(value);
  }
  template <typename T>
  T Get(const std::string& key, T otherwise) {
    auto value = file_.Find<T>(key);
    if (!value.ok()) return Fail(value.status()), otherwise;
    return value->has_value() ? **std::move(value) : otherwise;
  }
  void Fail(const absl::Status& status) { status_.Update(status); }
  const absl::Status& status() const { return status_; }

 private:
  const GgufFile& file_;
  absl::Status status_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_GGUF_KEYS_H_
