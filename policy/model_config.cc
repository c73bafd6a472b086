#include "policy/model_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/model_kernels.h"
#include "policy/tokenizer_json.h"

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
  std::string Text(const char* name, const std::string& otherwise) {
    const json* value = Find(name, false);
    if (value == nullptr) return otherwise;
    if (!value->is_string()) return Fault(name, "a text", *value), otherwise;
    return value->get<std::string>();
  }
  // One token id, a list of them, or none.
  std::vector<int64_t> Ids(const char* name) {
    const json* value = Find(name, false);
    std::vector<int64_t> ids;
    if (value == nullptr) return ids;
    for (const json& id : value->is_array() ? *value : json::array({*value})) {
      if (!id.is_number_integer()) return Fault(name, "a token id or a list of them", *value), ids;
      ids.push_back(id.get<int64_t>());
    }
    return ids;
  }
  void Fault(const char* name, const std::string& expected, const json& value) {
    std::string got = value.dump(-1, ' ', false, json::error_handler_t::replace);
    if (got.size() > 80) got = got.substr(0, 80) + "...";
    Fail(absl::StrCat(path_, ": ", name, ": expected ", expected, ", got ", got));
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
  const json& object_;
  const std::string& path_;
  absl::Status status_;
};

constexpr const char* kFamilies[] = {"llama", "mistral", "qwen2", "qwen3"};
constexpr const char* kDtypes[] = {"float32", "bfloat16", "float16"};

template <size_t n>
std::string Unknown(const char* name, const std::string& value, const char* const (&known)[n]) {
  for (const char* k : known) {
    if (value == k) return "";
  }
  return absl::StrCat(name, ": \"", value, "\" is not supported; known: ", absl::StrJoin(known, ", "));
}

// rope_scaling of older files, rope_parameters of newer ones (which hold rope_theta too).
void ReadRope(const json& object, const std::string& place, ModelConfig* config, Fields* outer) {
  Fields fields(object, place);
  RopeScaling& rope = config->rope_scaling;
  rope.type = fields.Text("rope_type", fields.Text("type", "default"));
  config->rope_theta = fields.Number("rope_theta", config->rope_theta);
  fields.Expect("partial_rotary_factor", 1.0);
  if (rope.type != "default") rope.factor = fields.Number("factor", 0);
  if (rope.type == "llama3") {
    rope.low_freq_factor = fields.Number("low_freq_factor", 1);
    rope.high_freq_factor = fields.Number("high_freq_factor", 4);
  }
  if (rope.type == "llama3" || rope.type == "yarn") {
    rope.original_max_position_embeddings = fields.Integer(
        "original_max_position_embeddings", config->max_position_embeddings, rope.type == "llama3");
  }
  if (rope.type == "yarn") {
    rope.beta_fast = fields.Number("beta_fast", 32);
    rope.beta_slow = fields.Number("beta_slow", 1);
    rope.truncate = fields.Flag("truncate", true);
    rope.attention_factor = fields.Number("attention_factor", 0);
    for (const char* name : {"mscale", "mscale_all_dim"}) {  // DeepSeek's
      if (const json* value = fields.Find(name, false); value != nullptr && *value != 0) {
        fields.Fault(name, "none (not supported)", *value);
      }
    }
  }
  if (!fields.status().ok()) outer->Fail(std::string(fields.status().message()));
}

}  // namespace

absl::Status ModelConfig::Validate() const {
  const auto fault = [](const std::string& message) { return absl::InvalidArgumentError(message); };
  constexpr int64_t kMost = int64_t{1} << 24, kMostLayers = 4096;
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
  if (num_hidden_layers > kMostLayers) {  // each has a dozen names, whatever the files hold
    return fault(absl::StrCat("num_hidden_layers: expected at most ", kMostLayers, ", got ", num_hidden_layers));
  }
  if (num_attention_heads % num_key_value_heads != 0) {
    return fault(absl::StrCat("num_attention_heads ", num_attention_heads,
                              " is not a multiple of num_key_value_heads ", num_key_value_heads));
  }
  if (head_dim > kMaxHeadDim) {
    return fault(absl::StrCat("head_dim: expected at most ", kMaxHeadDim, ", got ", head_dim));
  }
  if (head_dim % 2 != 0) {
    return fault(absl::StrCat("head_dim: rotary positions need an even number, got ", head_dim));
  }
  if (!(rope_theta > 0) || !std::isfinite(rope_theta)) {
    return fault(absl::StrCat("rope_theta: expected a positive number, got ", rope_theta));
  }
  for (const std::string& unknown :
       {Unknown("model_type", model_type, kFamilies), Unknown("torch_dtype", torch_dtype, kDtypes)}) {
    if (!unknown.empty()) return fault(unknown);
  }
  const RopeScaling& rope = rope_scaling;
  static constexpr const char* kRopes[] = {"default", "linear", "llama3", "yarn"};
  if (const std::string unknown = Unknown("rope_scaling.rope_type", rope.type, kRopes); !unknown.empty()) {
    return fault(unknown);
  }
  if (!(rope.factor >= 1) || !std::isfinite(rope.factor)) {
    return fault(absl::StrCat("rope_scaling.factor: expected 1 or more, got ", rope.factor));
  }
  if (rope.type == "llama3" && !(rope.high_freq_factor > rope.low_freq_factor && rope.low_freq_factor > 0)) {
    return fault(absl::StrCat("rope_scaling: expected 0 < low_freq_factor < high_freq_factor, got ",
                              rope.low_freq_factor, " and ", rope.high_freq_factor));
  }
  if ((rope.type == "llama3" || rope.type == "yarn") && rope.original_max_position_embeddings <= 0) {
    return fault(absl::StrCat("rope_scaling.original_max_position_embeddings: expected 1 or more, got ",
                              rope.original_max_position_embeddings));
  }
  if (rope.type == "yarn" && !(rope.beta_fast > 0 && rope.beta_slow > 0 && rope.attention_factor >= 0)) {
    return fault("rope_scaling: beta_fast and beta_slow must be above 0, attention_factor not negative");
  }
  if (!(rms_norm_eps > 0) || !std::isfinite(rms_norm_eps)) {
    return fault(absl::StrCat("rms_norm_eps: expected a positive number, got ", rms_norm_eps));
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelConfig> ParseModelConfig(const std::string& text, const std::string& path) {
  const absl::StatusOr<json> parsed = ParseJson(text);
  if (!parsed.ok() || !parsed->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected one JSON object, a model's config.json",
                     parsed.ok() ? "" : absl::StrCat("; this is ", parsed.status().message())));
  }
  const json& object = *parsed;
  Fields fields(object, path);
  ModelConfig config;
  config.model_type = fields.Text("model_type", "");
  if (const std::string unknown = Unknown("model_type", config.model_type, kFamilies); !unknown.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", unknown));  // nothing else would make sense
  }
  const bool qwen2 = config.model_type == "qwen2", qwen3 = config.model_type == "qwen3",
             mistral = config.model_type == "mistral";
  fields.Expect("hidden_act", "silu");
  fields.Expect("mlp_bias", false);
  fields.Expect("pretraining_tp", 1);
  for (const char* name : {"quantization_config", "num_local_experts", "num_experts", "vision_config"}) {
    if (const json* value = fields.Find(name, false)) fields.Fault(name, "none (not supported)", *value);
  }
  // What a file leaves out is as transformers has it for its family.
  config.max_position_embeddings = fields.Integer(
      "max_position_embeddings", qwen2 || qwen3 ? 32768 : mistral ? 131072 : 2048, false);
  // Qwen's configurations name a window that use_sliding_window: false turns off.
  const bool window = mistral || fields.Flag("use_sliding_window", false);
  const json unsaid = 4096;  // transformers' window where a file does not say null
  const json* const size = object.contains("sliding_window") ? fields.Find("sliding_window", false) : &unsaid;
  if (window && size != nullptr &&
      (!size->is_number_integer() || size->get<int64_t>() < config.max_position_embeddings)) {
    fields.Fault("sliding_window", "null (attention windows are not supported)", *size);
  }
  // Qwen2 has its biases always, and says nothing of them; elsewhere attention_bias is q, k, v and o's.
  const bool bias = fields.Flag("attention_bias", false);
  config.qkv_bias = qwen2 || bias;
  config.output_bias = !qwen2 && bias;
  config.qk_norm = qwen3;
  config.torch_dtype = fields.Text("torch_dtype", fields.Text("dtype", "float32"));
  config.eos_token_ids = fields.Ids("eos_token_id");
  if (const std::vector<int64_t> bos = fields.Ids("bos_token_id"); !bos.empty()) config.bos_token_id = bos[0];
  config.vocab_size = fields.Integer("vocab_size", 0, true);
  config.hidden_size = fields.Integer("hidden_size", 0, true);
  config.intermediate_size = fields.Integer("intermediate_size", 0, true);
  config.num_hidden_layers = fields.Integer("num_hidden_layers", 0, true);
  config.num_attention_heads = fields.Integer("num_attention_heads", 0, true);
  config.num_key_value_heads = fields.Integer(
      "num_key_value_heads", qwen2 || qwen3 ? 32 : mistral ? 8 : config.num_attention_heads, false);
  config.head_dim = fields.Integer("head_dim", qwen3 && !object.contains("head_dim") ? 128 : 0, false);
  if (config.head_dim == 0 && config.num_attention_heads > 0) {
    config.head_dim = config.hidden_size / config.num_attention_heads;
  }
  config.rms_norm_eps = fields.Number("rms_norm_eps", 1e-6);
  config.tie_word_embeddings = fields.Flag("tie_word_embeddings", false);
  config.rope_theta = fields.Number("rope_theta", 10000);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {  // older and newer files
    const json* rope = fields.Find(name, false);
    if (rope == nullptr) continue;
    if (rope->is_object()) {
      ReadRope(*rope, absl::StrCat(path, ": ", name), &config, &fields);
    } else {
      fields.Fault(name, "an object or null", *rope);
    }
  }
  if (!fields.status().ok()) return fields.status();
  if (absl::Status valid = config.Validate(); !valid.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", valid.message()));
  }
  return config;
}

std::string ModelConfigJson(const ModelConfig& config) {
  const std::pair<const char*, const char*> architectures[] = {{"llama", "LlamaForCausalLM"},
                                                               {"mistral", "MistralForCausalLM"},
                                                               {"qwen2", "Qwen2ForCausalLM"},
                                                               {"qwen3", "Qwen3ForCausalLM"}};
  const char* architecture = "";
  for (const auto& [family, name] : architectures) {
    if (config.model_type == family) architecture = name;
  }
  nlohmann::ordered_json rope;  // null: none
  if (const RopeScaling& r = config.rope_scaling; r.type != "default") {
    rope = {{"rope_type", r.type}, {"factor", r.factor}};
    if (r.type == "llama3") {
      rope["low_freq_factor"] = r.low_freq_factor;
      rope["high_freq_factor"] = r.high_freq_factor;
    }
    if (r.original_max_position_embeddings > 0) {
      rope["original_max_position_embeddings"] = r.original_max_position_embeddings;
    }
    if (r.type == "yarn") {
      rope["beta_fast"] = r.beta_fast;
      rope["beta_slow"] = r.beta_slow;
      rope["truncate"] = r.truncate;
      if (r.attention_factor > 0) rope["attention_factor"] = r.attention_factor;
    }
  }
  nlohmann::ordered_json object = {
      {"architectures", {architecture}},
      {"model_type", config.model_type},
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
      {"hidden_act", "silu"}};
  if (!rope.is_null()) object["rope_scaling"] = rope;
  if (config.model_type != "qwen2" && config.model_type != "mistral") {
    object["attention_bias"] = config.qkv_bias;
  }
  if (config.model_type == "llama") object["mlp_bias"] = false;
  if (config.model_type == "mistral") object["sliding_window"] = nullptr;
  if (config.model_type == "qwen2" || config.model_type == "qwen3") object["use_sliding_window"] = false;
  object["bos_token_id"] = config.bos_token_id < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(config.bos_token_id);
  if (config.eos_token_ids.empty()) {
    object["eos_token_id"] = nullptr;
  } else if (config.eos_token_ids.size() == 1) {
    object["eos_token_id"] = config.eos_token_ids[0];
  } else {
    object["eos_token_id"] = config.eos_token_ids;
  }
  object["torch_dtype"] = config.torch_dtype;
  return object.dump(2) + "\n";
}

}  // namespace sojourn::policy
