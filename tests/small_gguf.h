// A GGUF file (ggml/docs/gguf.md, version 3) of a small Llama model's directory, as llama.cpp's converter would
// write it with fp32 weights. For tests: it writes what such files usually hold, and nothing else.
#ifndef SOJOURN_TESTS_SMALL_GGUF_H_
#define SOJOURN_TESTS_SMALL_GGUF_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/files.h"

namespace sojourn {

class GgufText {
 public:
  template <typename T>
  void Add(T value) {   // little-endian, as this machine is
    static_assert(std::endian::native == std::endian::little);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void Add(const std::string& text) {
    Add<uint64_t>(text.size());
    bytes += text;
  }
  void Key(const std::string& name, uint32_t type) {
    Add(name);
    Add(type);
    ++keys;
  }
  void Number(const std::string& name, uint32_t value) { Key(name, 4), Add(value); }
  void Float(const std::string& name, float value) { Key(name, 6), Add(value); }
  void Text(const std::string& name, const std::string& value) { Key(name, 8), Add(value); }
  template <typename T>
  void List(const std::string& name, uint32_t type, const std::vector<T>& values) {
    Key(name, 9);
    Add(type);
    Add<uint64_t>(values.size());
    for (const T& value : values) Add(value);
  }
  std::string bytes;
  uint64_t keys = 0;
};

inline absl::Status WriteSmallGguf(const std::string& model_directory, const std::string& path) {
  using nlohmann::json;
  const auto config_text = ReadFile(model_directory + "/config.json"),
             tokenizer_text = ReadFile(model_directory + "/tokenizer.json"),
             weights = ReadFile(model_directory + "/model.safetensors");
  for (const auto* file : {&config_text, &tokenizer_text, &weights}) {
    if (!file->ok()) return file->status();
  }
  const json config = json::parse(*config_text), tokenizer = json::parse(*tokenizer_text);
  GgufText meta;
  meta.Text("general.architecture", "llama");
  const uint32_t heads = config["num_attention_heads"], kv_heads = config["num_key_value_heads"];
  meta.Number("llama.embedding_length", config["hidden_size"]);
  meta.Number("llama.feed_forward_length", config["intermediate_size"]);
  meta.Number("llama.block_count", config["num_hidden_layers"]);
  meta.Number("llama.attention.head_count", heads);
  meta.Number("llama.attention.head_count_kv", kv_heads);
  meta.Number("llama.attention.key_length", config["head_dim"]);
  meta.Number("llama.rope.dimension_count", config["head_dim"]);
  meta.Number("llama.context_length", config["max_position_embeddings"]);
  meta.Float("llama.attention.layer_norm_rms_epsilon", config["rms_norm_eps"]);
  meta.Float("llama.rope.freq_base", config["rope_theta"]);
  std::vector<std::string> tokens(config["vocab_size"].get<size_t>()), merges;
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = absl::StrCat("[unused", i, "]");
  std::vector<int32_t> types(tokens.size(), 5);
  for (const auto& [token, id] : tokenizer["model"]["vocab"].items()) {
    tokens[id.get<size_t>()] = token;
    types[id.get<size_t>()] = 1;
  }
  for (const json& added : tokenizer["added_tokens"]) {
    tokens[added["id"].get<size_t>()] = added["content"];
    types[added["id"].get<size_t>()] = added["special"].get<bool>() ? 3 : 4;
  }
  for (const json& merge : tokenizer["model"]["merges"]) {
    merges.push_back(merge.is_string() ? merge.get<std::string>()
                                       : absl::StrJoin(merge.get<std::vector<std::string>>(), " "));
  }
  meta.Text("tokenizer.ggml.model", "gpt2");
  meta.Text("tokenizer.ggml.pre", "gpt-2");
  meta.List("tokenizer.ggml.tokens", 8, tokens);
  meta.List("tokenizer.ggml.token_type", 5, types);
  meta.List("tokenizer.ggml.merges", 8, merges);

  uint64_t header_bytes = 0;   // of model.safetensors
  std::memcpy(&header_bytes, weights->data(), 8);
  const json header = json::parse(weights->substr(8, header_bytes));
  GgufText descriptions;
  std::string data;
  uint64_t tensors = 0;
  for (const auto& [name, tensor] : header.items()) {
    if (name == "__metadata__") continue;
    const uint64_t begin = tensor["data_offsets"][0], end = tensor["data_offsets"][1];
    std::string bytes = weights->substr(8 + header_bytes + begin, end - begin);
    const bool query = absl::EndsWith(name, "q_proj.weight");
    if (query || absl::EndsWith(name, "k_proj.weight")) {   // the halves of a head become neighbours
      const size_t rows = tensor["shape"][0], row_bytes = bytes.size() / rows;
      const size_t head_rows = rows / (query ? heads : kv_heads), half = head_rows / 2;
      const std::string before = bytes;
      for (size_t row = 0; row < rows; ++row) {
        const size_t head = row / head_rows, within = row % head_rows;
        const size_t to = head * head_rows + within % half * 2 + within / half;
        bytes.replace(to * row_bytes, row_bytes, before, row * row_bytes, row_bytes);
      }
    }
    descriptions.Add(absl::StrReplaceAll(name, {{"model.embed_tokens", "token_embd"},
                                                {"model.norm", "output_norm"},
                                                {"model.layers.", "blk."},
                                                {"self_attn.q_proj", "attn_q"},
                                                {"self_attn.k_proj", "attn_k"},
                                                {"self_attn.v_proj", "attn_v"},
                                                {"self_attn.o_proj", "attn_output"},
                                                {"mlp.gate_proj", "ffn_gate"},
                                                {"mlp.up_proj", "ffn_up"},
                                                {"mlp.down_proj", "ffn_down"},
                                                {"post_attention_layernorm", "ffn_norm"},
                                                {"input_layernorm", "attn_norm"}}));
    descriptions.Add<uint32_t>(tensor["shape"].size());
    for (auto size = tensor["shape"].rbegin(); size != tensor["shape"].rend(); ++size) {
      descriptions.Add<uint64_t>(size->get<uint64_t>());
    }
    descriptions.Add<uint32_t>(0);   // fp32
    descriptions.Add<uint64_t>(data.size());
    data += bytes;
    data.resize((data.size() + 31) / 32 * 32);
    ++tensors;
  }
  GgufText file;
  file.bytes = "GGUF";
  file.Add<uint32_t>(3);
  file.Add<uint64_t>(tensors);
  file.Add<uint64_t>(meta.keys);
  file.bytes += meta.bytes + descriptions.bytes;
  file.bytes.resize((file.bytes.size() + 31) / 32 * 32);
  return WriteFileAtomically(path, file.bytes + data);
}

}  // namespace sojourn

#endif  // SOJOURN_TESTS_SMALL_GGUF_H_
