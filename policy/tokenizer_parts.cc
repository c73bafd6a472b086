#include "policy/tokenizer_parts.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/pretokenizer_pattern.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {
namespace {

constexpr char kMeta[] = "\xE2\x96\x81";
enum TokenType { kUnknown = 2, kControl = 3, kUserDefined = 4 };

// The names of tokenizer.ggml.pre (llama.cpp's src/llama-vocab.cpp) and what they stand for.
struct Pre {
  const char* name;
  std::vector<std::string> patterns;
  bool byte_level_pattern = false;
  bool digits = false;
  bool ignore_merges = false;
  bool nfc = false;  // as the family's tokenizer.json has it
};

const std::vector<Pre>& Pres() {
  static const auto* const pres = new std::vector<Pre>{
      {.name = "default",
       .patterns = {R"([\p{P}\$\+<=>\^~\|]+)",
                    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))",
                    R"(\p{N}+)", R"([0-9][0-9][0-9])"}},
      {.name = "gpt-2", .byte_level_pattern = true},
      {.name = "gpt2", .byte_level_pattern = true},
      {.name = "smollm", .byte_level_pattern = true, .digits = true},
      {.name = "starcoder", .byte_level_pattern = true, .digits = true},
      {.name = "llama-bpe", .patterns = {kLlama3Pattern}, .ignore_merges = true},
      {.name = "llama-v3", .patterns = {kLlama3Pattern}, .ignore_merges = true},
      {.name = "llama3", .patterns = {kLlama3Pattern}, .ignore_merges = true},
      {.name = "qwen2", .patterns = {kQwen2Pattern}, .nfc = true},
      {.name = "deepseek-r1-qwen", .patterns = {kQwen2Pattern}},
      {.name = "tekken",
       .patterns =
           {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
       .ignore_merges = true}};
  return *pres;
}

absl::StatusOr<Json> ByteLevel(const TokenizerParts& parts) {
  const auto& pres = Pres();
  const auto pre = std::find_if(pres.begin(), pres.end(), [&](const Pre& p) {
    return p.name == (parts.pre.empty() ? "default" : parts.pre);
  });
  if (pre == pres.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tokenizer.ggml.pre: \"", parts.pre, "\" is not supported; known: ",
        absl::StrJoin(pres, ", ", [](std::string* out, const Pre& p) { *out += p.name; })));
  }
  Json steps = Json::array();
  if (pre->digits) steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
  for (const std::string& pattern : pre->patterns) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back(
      {{"type", "ByteLevel"},
       {"add_prefix_space", false},
       {"trim_offsets", true},
       {"use_regex", pre->byte_level_pattern}});
  Json json;
  if (pre->nfc) json["normalizer"] = {{"type", "NFC"}};
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
  json["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  json["model"] = {{"type", "BPE"}, {"ignore_merges", pre->ignore_merges}};
  json["model"]["merges"] = parts.merges;
  return json;
}

// Every way to put a token together from two others, the best token first: what sentencepiece does
// with scores, in the order that `transformers` gives its merges.
absl::StatusOr<Json> ScoredMerges(const TokenizerParts& parts) {
  if (parts.scores.size() != parts.tokens.size()) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.scores: ", parts.scores.size(),
                                                   " scores for ", parts.tokens.size(), " tokens"));
  }
  constexpr size_t kLongest = 256;  // bytes; longer tokens are not made of others
  absl::flat_hash_map<std::string_view, int32_t> ids;
  for (size_t i = 0; i < parts.tokens.size(); ++i) ids.emplace(parts.tokens[i], i);
  using Way = std::tuple<float, int32_t, int32_t, int32_t>;  // -score, token, left, right
  std::vector<Way> ways;
  for (size_t id = 0; id < parts.tokens.size(); ++id) {
    const std::string_view token = parts.tokens[id];
    if (token.size() > kLongest || ValidUtf8Prefix(token) != token.size()) continue;
    for (size_t at = 0; at < token.size();) {
      at += CharBytes(token[at]);
      if (at == token.size()) break;
      const auto left = ids.find(token.substr(0, at)), right = ids.find(token.substr(at));
      if (left != ids.end() && right != ids.end())
        ways.emplace_back(-parts.scores[id], id, left->second, right->second);
    }
  }
  std::sort(ways.begin(), ways.end());
  Json merges = Json::array();
  for (const auto& [score, token, left, right] : ways)
    merges.push_back(Json::array({parts.tokens[left], parts.tokens[right]}));
  return merges;
}

absl::StatusOr<Json> SentencePiece(const TokenizerParts& parts) {
  Json json;
  Json normalizers = Json::array();
  if (parts.add_space_prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", kMeta}});
  normalizers.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kMeta}});
  Json decoders =
      Json::array({{{"type", "Replace"}, {"pattern", {{"String", kMeta}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}});
  if (parts.add_space_prefix)
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::move(normalizers)}};
  json["decoder"] = {{"type", "Sequence"}, {"decoders", std::move(decoders)}};
  json["model"] = {{"type", "BPE"}, {"byte_fallback", true}, {"fuse_unk", true}};
  if (parts.unknown_id >= 0 && parts.unknown_id < static_cast<int64_t>(parts.tokens.size()))
    json["model"]["unk_token"] = parts.tokens[parts.unknown_id];
  absl::StatusOr<Json> merges = ScoredMerges(parts);
  if (!merges.ok()) return merges.status();
  json["model"]["merges"] = *std::move(merges);
  return json;
}

}  // namespace

absl::StatusOr<Json> TokenizerJson(TokenizerParts parts) {
  if (!parts.token_types.empty() && parts.token_types.size() != parts.tokens.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer.ggml.token_type: ", parts.token_types.size(), " types for ",
                     parts.tokens.size(), " tokens"));
  }
  if (parts.model != "gpt2" && parts.model != "llama") {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.model: \"", parts.model,
                                                   "\" is not supported; known: gpt2, llama"));
  }
  for (size_t id = 0; id < parts.tokens.size(); ++id) {
    if (ValidUtf8Prefix(parts.tokens[id]) != parts.tokens[id].size())
      return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.tokens[", id, "] is not UTF-8"));
  }
  absl::StatusOr<Json> json = parts.model == "gpt2" ? ByteLevel(parts) : SentencePiece(parts);
  if (!json.ok()) return json.status();
  Json vocab = Json::object(), added = Json::array();
  for (size_t id = 0; id < parts.tokens.size(); ++id) {
    vocab[parts.tokens[id]] = id;
    const int32_t type = parts.token_types.empty() ? 0 : parts.token_types[id];
    if (type != kControl && type != kUserDefined && type != kUnknown) continue;
    added.push_back({{"id", id},
                     {"content", parts.tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", type != kUserDefined}});
  }
  (*json)["model"]["vocab"] = std::move(vocab);
  (*json)["added_tokens"] = std::move(added);

  Json single = Json::array(), special = Json::object();
  const auto add = [&](bool wanted, int32_t id, const char* name) -> absl::Status {
    if (!wanted) return absl::OkStatus();
    if (id < 0 || id >= static_cast<int64_t>(parts.tokens.size())) {
      return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.", name, "_token_id: ", id,
                                                     " is no token, but is to be added"));
    }
    single.push_back({{"SpecialToken", {{"id", parts.tokens[id]}, {"type_id", 0}}}});
    special[parts.tokens[id]] = {
        {"id", parts.tokens[id]}, {"ids", Json::array({id})}, {"tokens", Json::array({parts.tokens[id]})}};
    return absl::OkStatus();
  };
  if (absl::Status s = add(parts.add_bos, parts.bos_id, "bos"); !s.ok()) return s;
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (absl::Status s = add(parts.add_eos, parts.eos_id, "eos"); !s.ok()) return s;
  (*json)["post_processor"] = {{"type", "TemplateProcessing"},
                               {"single", single},
                               {"pair", single},
                               {"special_tokens", std::move(special)}};
  return json;
}

}  // namespace sojourn::policy
