#include "policy/gguf_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/files.h"
#include "policy/model_files.h"
#include "policy/model_testing.h"
#include "policy/rotary.h"
#include "policy/safetensors.h"

namespace sojourn::policy {
namespace {

using ::testing::HasSubstr;
using torch::Tensor;

// A GGUF file of fp32 tensors, as llama.cpp's converter writes it.
struct Gguf {
  std::string values, tensors, data;
  uint64_t value_count = 0, tensor_count = 0;

  template <typename T>
  static void Add(std::string* out, T value) {
    out->append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void AddText(std::string* out, std::string_view text) {
    Add<uint64_t>(out, text.size());
    *out += text;
  }
  void Key(std::string_view name, uint32_t type) {
    AddText(&values, name);
    Add(&values, type);
    ++value_count;
  }
  void Text(std::string_view name, std::string_view value) {
    Key(name, 8);
    AddText(&values, value);
  }
  void Integer(std::string_view name, uint32_t value) {
    Key(name, 4);
    Add(&values, value);
  }
  void Float(std::string_view name, float value) {
    Key(name, 6);
    Add(&values, value);
  }
  void AddTensor(std::string_view name, const Tensor& tensor) {
    AddText(&tensors, name);
    Add<uint32_t>(&tensors, tensor.dim());
    for (int64_t i = tensor.dim(); i-- > 0;) Add<uint64_t>(&tensors, tensor.size(i));
    Add<uint32_t>(&tensors, 0);  // F32
    Add<uint64_t>(&tensors, data.size());
    const Tensor plain = tensor.to(torch::kFloat).contiguous();
    data.append(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes());
    data.resize((data.size() + 31) / 32 * 32);
    ++tensor_count;
  }
  std::string str() const {
    std::string out = "GGUF";
    Add<uint32_t>(&out, 3);
    Add(&out, tensor_count);
    Add(&out, value_count);
    out += values + tensors;
    out.resize((out.size() + 31) / 32 * 32);
    return out + data;
  }
};

std::string GgufName(const std::string& name) {
  return absl::StrReplaceAll(name, {{"model.embed_tokens", "token_embd"},
                                    {"model.norm", "output_norm"},
                                    {"lm_head", "output"},
                                    {"model.layers.", "blk."},
                                    {"input_layernorm", "attn_norm"},
                                    {"self_attn.q_proj", "attn_q"},
                                    {"self_attn.k_proj", "attn_k"},
                                    {"self_attn.v_proj", "attn_v"},
                                    {"self_attn.o_proj", "attn_output"},
                                    {"self_attn.q_norm", "attn_q_norm"},
                                    {"self_attn.k_norm", "attn_k_norm"},
                                    {"post_attention_layernorm", "ffn_norm"},
                                    {"mlp.gate_proj", "ffn_gate"},
                                    {"mlp.up_proj", "ffn_up"},
                                    {"mlp.down_proj", "ffn_down"}});
}

// The halves of each head become neighbours, in weights and biases.
Tensor Permuted(const Tensor& tensor, int64_t heads) {
  return tensor.view({heads, 2, tensor.size(0) / heads / 2, -1}).transpose(1, 2).reshape(tensor.sizes());
}

void AddConfig(const ModelConfig& c, Gguf* file) {
  file->Text("general.architecture", c.model_type);
  const auto key = [&](const char* name) { return absl::StrCat(c.model_type, ".", name); };
  file->Integer(key("embedding_length"), c.hidden_size);
  file->Integer(key("feed_forward_length"), c.intermediate_size);
  file->Integer(key("block_count"), c.num_hidden_layers);
  file->Integer(key("attention.head_count"), c.num_attention_heads);
  file->Integer(key("attention.head_count_kv"), c.num_key_value_heads);
  file->Integer(key("attention.key_length"), c.head_dim);
  file->Integer(key("context_length"), c.max_position_embeddings);
  file->Float(key("attention.layer_norm_rms_epsilon"), c.rms_norm_eps);
  file->Float(key("rope.freq_base"), c.rope_theta);
  if (c.rope_scaling.type == "linear" || c.rope_scaling.type == "yarn") {
    file->Text(key("rope.scaling.type"), c.rope_scaling.type);
    file->Float(key("rope.scaling.factor"), c.rope_scaling.factor);
    if (c.rope_scaling.type == "yarn")
      file->Integer(key("rope.scaling.original_context_length"), c.rope_scaling.original_max_position_embeddings);
  }
}

// llama.cpp's: what each frequency is divided by.
Tensor RotaryFactors(const ModelConfig& c) {
  const RopeScaling& rope = c.rope_scaling;
  std::vector<float> factors;
  for (int64_t i = 0; i < c.head_dim; i += 2) {
    const double wavelength = 2 * std::numbers::pi * std::pow(c.rope_theta, static_cast<double>(i) / c.head_dim);
    const double turns = static_cast<double>(rope.original_max_position_embeddings) / wavelength;
    const double smooth = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
    factors.push_back(turns > rope.high_freq_factor  ? 1
                      : turns < rope.low_freq_factor ? rope.factor
                                                     : 1 / ((1 - smooth) / rope.factor + smooth));
  }
  return torch::tensor(factors);
}

std::string Converted(const Model& model) {
  const ModelConfig& c = model.config();
  Gguf file;
  AddConfig(c, &file);
  for (const auto& [name, weight] : model.weights()) {
    const bool q = name.find("q_proj.") != name.npos, k = name.find("k_proj.") != name.npos;
    file.AddTensor(GgufName(name), c.model_type != "llama" || !(q || k)
                                       ? weight
                                       : Permuted(weight, q ? c.num_attention_heads : c.num_key_value_heads));
  }
  if (c.rope_scaling.type == "llama3") file.AddTensor("rope_freqs.weight", RotaryFactors(c));
  return file.str();
}

absl::StatusOr<Model> Load(const std::string& bytes) {
  const std::string path = testing::TempDir() + "/model_of_test.gguf";
  EXPECT_TRUE(WriteFileAtomically(path, bytes).ok());
  return LoadGgufModel(path, torch::kFloat);
}

TEST(GgufModel, AFamilysConvertedModelGivesItsLogits) {
  for (const char* name : {"llama2", "llama-bias", "llama-linear", "llama3", "qwen2", "qwen2-yarn", "qwen3"}) {
    SCOPED_TRACE(name);
    const std::string directory = absl::StrCat("policy/testdata/models/", name);
    const auto expected = ReadSafetensors(directory + "/expected.safetensors");
    const auto saved = LoadModel(directory);
    ASSERT_TRUE(expected.ok() && saved.ok());
    const auto model = Load(Converted(*saved));
    ASSERT_TRUE(model.ok()) << model.status();
    const Tensor tokens = expected->at("tokens").to(torch::kInt), &logits = expected->at("logits");
    const PackedTokens packed{{tokens.data_ptr<int32_t>(), tokens.data_ptr<int32_t>() + tokens.numel()},
                              {static_cast<int32_t>(tokens.numel())}};
    EXPECT_LT((model->Logits(model->Hidden(packed)) - logits).abs().max().item<double>(), 1e-4);
  }
}

TEST(GgufModel, OtherRotaryFactorsAreRefused) {
  const Model saved = *LoadModel("policy/testdata/models/llama2");
  const int64_t half = saved.config().head_dim / 2;
  for (const Tensor& factors : {torch::full({half}, 3.0).index_put_({0}, 2.0), torch::full({half}, 0.5),
                                torch::full({half}, std::nanf("")), torch::ones({half + 1}), torch::ones({0})}) {
    Gguf file;
    AddConfig(saved.config(), &file);
    for (const auto& [name, weight] : saved.weights()) file.AddTensor(GgufName(name), weight);
    file.AddTensor("rope_freqs.weight", factors);
    EXPECT_THAT(std::string(Load(file.str()).status().message()), HasSubstr("rope_freqs.weight")) << factors;
  }
}

TEST(GgufModel, UnexpectedShapesAreErrors) {
  const Model saved = *LoadModel("policy/testdata/models/llama2");
  for (const char* odd : {"model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight",
                          "model.layers.1.self_attn.k_proj.weight", "model.norm.weight"}) {
    const int64_t rows = saved.weights().at(odd).size(0);
    for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{}, {0}, {rows}, {rows, 0}, {rows, 1, 1, 1}}) {
      if (saved.weights().at(odd).sizes().vec() == shape) continue;
      Gguf file;
      AddConfig(saved.config(), &file);
      for (const auto& [name, weight] : saved.weights())
        file.AddTensor(GgufName(name), name == odd ? torch::zeros(shape) : weight);
      EXPECT_FALSE(Load(file.str()).ok()) << odd << " of " << shape.size() << " dimensions";
    }
  }
}

}  // namespace
}  // namespace sojourn::policy
