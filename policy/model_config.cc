#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "policy/model.h"

namespace sojourn::policy {
namespace {

using nlohmann::json;

// Reads fields of one file, and remembers the first fault.
class Fields {
 public:
  Fields(const json& object, const std::string& path) : object_(object), path_(path) {}

  int64_t Integer(const char* name, int64_t otherwise, bool required) {
    const json* value = Find(name, required);
    if (value == nullptr) return otherwise;
    if (!value->is_number_integer()) return Fault(name, "a whole number", *value), otherwise;
    return value->get<int64_t>();
  }
  double Number(const char* name, double otherwise) {
    const json* value = Find(name, false);
    if (value == nullptr) return otherwise;
    if (!value->is_number()) return Fault(name, "a number", *value), otherwise;
    return value->get<double>();
  }
  bool Flag(const char* name, bool otherwise) {
    const json* value = Find(name, false);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) return Fault(name, "true or false", *value), otherwise;
    return value->get<bool>();
  }
  // Absent and null count as `only`.
  void Expect(const char* name, const json& only) {
    const json* value = Find(name, false);
    if (value != nullptr && *value != only)
      Fault(name, only.dump() + " (others are not supported)", *value);
  }
  const json* Find(const char* name, bool required) {
    const auto found = object_.find(name);
    if (found == object_.end() || found->is_null()) {
      if (required) Fail(absl::StrCat(path_, ": ", name, " is missing"));
      return nullptr;
    }
    return &*found;
  }
  void Fail(const std::string& message) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(message);
  }
  const absl::Status& status() const { return status_; }

 private:
  void Fault(const char* name, const std::string& expected, const json& value) {
    std::string got = value.dump(-1, ' ', false, json::error_handler_t::replace);
    if (got.size() > 80) got = got.substr(0, 80) + "...";
    Fail(absl::StrCat(path_, ": ", name, ": expected ", expected, ", got ", got));
  }

  const json& object_;
  const std::string& path_;
  absl::Status status_;
};

}  // namespace

absl::Status ModelConfig::Validate() const {
  const auto fault = [](const std::string& message) { return absl::InvalidArgumentError(message); };
  constexpr int64_t kMost = int64_t{1} << 24;
  const std::pair<const char*, int64_t> sizes[] = {
      {"vocab_size", vocab_size},
      {"hidden_size", hidden_size},
      {"intermediate_size", intermediate_size},
      {"num_hidden_layers", num_hidden_layers},
      {"num_attention_heads", num_attention_heads},
      {"num_key_value_heads", num_key_value_heads},
      {"head_dim", head_dim},
      {"max_position_embeddings", max_position_embeddings}};
  for (const auto& [name, value] : sizes) {
    if (value <= 0 || value > kMost) {
      return fault(absl::StrCat(name, ": expected 1 to ", kMost, ", got ", value));
    }
  }
  if (num_attention_heads % num_key_value_heads != 0) {
    return fault(absl::StrCat("num_attention_heads ", num_attention_heads,
                              " is not a multiple of num_key_value_heads ", num_key_value_heads));
  }
  if (head_dim % 2 != 0) {
    return fault(absl::StrCat("head_dim: rotary positions need an even number, got ", head_dim));
  }
  if (!(rope_theta > 0) || !std::isfinite(rope_theta)) {
    return fault(absl::StrCat("rope_theta: expected a positive number, got ", rope_theta));
  }
  if (!(rms_norm_eps > 0) || !std::isfinite(rms_norm_eps)) {
    return fault(absl::StrCat("rms_norm_eps: expected a positive number, got ", rms_norm_eps));
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelConfig> ParseModelConfig(const std::string& text, const std::string& path) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected one JSON object, a model's config.json"));
  }
  Fields fields(object, path);
  ModelConfig config;
  fields.Expect("model_type", "llama");
  fields.Expect("hidden_act", "silu");
  fields.Expect("attention_bias", false);
  fields.Expect("mlp_bias", false);
  fields.Expect("pretraining_tp", 1);
  config.vocab_size = fields.Integer("vocab_size", 0, true);
  config.hidden_size = fields.Integer("hidden_size", 0, true);
  config.intermediate_size = fields.Integer("intermediate_size", 0, true);
  config.num_hidden_layers = fields.Integer("num_hidden_layers", 0, true);
  config.num_attention_heads = fields.Integer("num_attention_heads", 0, true);
  config.num_key_value_heads =
      fields.Integer("num_key_value_heads", config.num_attention_heads, false);
  config.head_dim = fields.Integer("head_dim", 0, false);
  if (config.head_dim == 0 && config.num_attention_heads > 0) {
    config.head_dim = config.hidden_size / config.num_attention_heads;
  }
  config.max_position_embeddings = fields.Integer("max_position_embeddings", 2048, false);
  config.rms_norm_eps = fields.Number("rms_norm_eps", 1e-6);
  config.tie_word_embeddings = fields.Flag("tie_word_embeddings", false);
  config.rope_theta = fields.Number("rope_theta", 10000);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {  // older and newer files
    const json* rope = fields.Find(name, false);
    if (rope == nullptr) continue;
    if (!rope->is_object()) {
      fields.Fail(absl::StrCat(path, ": ", name, ": expected an object or null"));
      break;
    }
    const std::string place = absl::StrCat(path, ": ", name);
    Fields inner(*rope, place);
    inner.Expect("rope_type", "default");
    inner.Expect("type", "default");
    config.rope_theta = inner.Number("rope_theta", config.rope_theta);
    if (!inner.status().ok()) fields.Fail(std::string(inner.status().message()));
  }
  if (!fields.status().ok()) return fields.status();
  if (absl::Status valid = config.Validate(); !valid.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", valid.message()));
  }
  return config;
}

std::string ModelConfigJson(const ModelConfig& config) {
  const nlohmann::ordered_json object = {
      {"architectures", {"LlamaForCausalLM"}},
      {"model_type", "llama"},
      {"vocab_size", config.vocab_size},
      {"hidden_size", config.hidden_size},
      {"intermediate_size", config.intermediate_size},
      {"num_hidden_layers", config.num_hidden_layers},
      {"num_attention_heads", config.num_attention_heads},
      {"num_key_value_heads", config.num_key_value_heads},
      {"head_dim", config.head_dim},
      {"max_position_embeddings", config.max_position_embeddings},
      {"rope_theta", config.rope_theta},
      {"rms_norm_eps", config.rms_norm_eps},
      {"tie_word_embeddings", config.tie_word_embeddings},
      {"hidden_act", "silu"},
      {"attention_bias", false},
      {"mlp_bias", false},
      {"bos_token_id", nullptr},
      {"eos_token_id", nullptr},
      {"torch_dtype", "float32"}};
  return object.dump(2) + "\n";
}

}  // namespace sojourn::policy
