#include "policy/tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <queue>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "policy/byte_level.h"

namespace sojourn::policy {
namespace {

using Json = nlohmann::json;

struct Merge {
  int32_t rank, id;
};

struct Pair {
  int32_t left, right;
  bool operator==(const Pair&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const Pair& p) {
    return H::combine(std::move(h), p.left, p.right);
  }
};

class ByteLevelBpe : public Tokenizer {
 public:
  absl::Status Init(const Json& json);

  std::vector<int32_t> Encode(std::string_view text) const override {
    std::vector<int32_t> ids;
    std::string normal;
    if (nfc_ && Normalize(text, &normal)) text = normal;
    Split(text, 0, &ids);
    return ids;
  }

  std::string Decode(absl::Span<const int32_t> ids, bool with_special) const override {
    std::string text;
    for (const int32_t id : ids) {
      if (id < 0 || id >= static_cast<int64_t>(tokens_.size())) continue;
      if (with_special || !tokens_[id].special) text += tokens_[id].bytes;
    }
    return text;
  }

  int32_t SpecialId(std::string_view token) const override {
    const auto found = special_.find(std::string(token));
    return found == special_.end() ? -1 : found->second;
  }

  int64_t vocab_size() const override { return tokens_.size(); }

 private:
  struct Token {
    std::string bytes;
    bool special = false;
  };

  absl::Status InitPreTokenizer(const Json& json, const std::string& place);
  absl::Status InitModel(const Json& model);
  absl::Status InitAddedTokens(const Json& added);

  static bool Normalize(std::string_view text, std::string* normal) {
    utf8proc_uint8_t* result = nullptr;
    const utf8proc_ssize_t size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), text.size(), &result,
                     static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (size >= 0) normal->assign(reinterpret_cast<char*>(result), size);
    std::free(result);
    return size >= 0;  // what is not UTF-8 stays as it is
  }

  void Split(std::string_view text, size_t splitter, std::vector<int32_t>* ids) const {
    if (splitter == splitters_.size()) return EncodePiece(text, ids);
    splitters_[splitter].Split(text,
                               [&](std::string_view piece) { Split(piece, splitter + 1, ids); });
  }

  void EncodePiece(std::string_view piece, std::vector<int32_t>* ids) const;

  bool nfc_ = false;
  bool ignore_merges_ = false;
  std::vector<Splitter> splitters_;
  std::vector<Token> tokens_;                      // by id
  absl::flat_hash_map<std::string, int32_t> ids_;  // the model's tokens, by bytes
  absl::flat_hash_map<std::string, int32_t> special_;
  std::array<int32_t, 256> byte_ids_;  // -1: the vocabulary lacks the byte
  absl::flat_hash_map<Pair, Merge> merges_;
};

// Applies the merge of lowest rank, leftmost first, until none applies: a heap of candidates over a
// linked list of symbols, O(n log n).
void ByteLevelBpe::EncodePiece(std::string_view piece, std::vector<int32_t>* ids) const {
  if (ignore_merges_) {
    const auto whole = ids_.find(absl::string_view(piece.data(), piece.size()));
    if (whole != ids_.end()) return ids->push_back(whole->second);
  }
  struct Symbol {
    int32_t id, previous, next;  // indices; -1: none. id -1: merged into its left neighbour
  };
  struct Candidate {
    int32_t rank, at, left, right, id;
    bool operator<(const Candidate& other) const {  // std::priority_queue gives the greatest first
      return std::pair(rank, at) > std::pair(other.rank, other.at);
    }
  };
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  for (const unsigned char byte : piece) {
    if (byte_ids_[byte] < 0) continue;  // as Hugging Face's BPE without an unknown token
    const int32_t at = symbols.size();
    symbols.push_back({byte_ids_[byte], at - 1, at + 1});
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;

  std::vector<Candidate> storage;
  storage.reserve(symbols.size());
  std::priority_queue<Candidate> candidates(std::less<Candidate>(), std::move(storage));
  const auto offer = [&](int32_t at) {
    if (at < 0 || symbols[at].next < 0) return;
    const int32_t left = symbols[at].id, right = symbols[symbols[at].next].id;
    const auto merge = merges_.find(Pair{left, right});
    if (merge != merges_.end())
      candidates.push({merge->second.rank, at, left, right, merge->second.id});
  };
  for (size_t at = 0; at < symbols.size(); ++at) offer(at);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& symbol = symbols[best.at];
    if (symbol.id != best.left || symbol.next < 0 || symbols[symbol.next].id != best.right)
      continue;  // outdated
    Symbol& eaten = symbols[symbol.next];
    symbol.id = best.id;
    symbol.next = eaten.next;
    eaten.id = -1;
    if (symbol.next >= 0) symbols[symbol.next].previous = best.at;
    offer(symbol.previous);
    offer(best.at);
  }
  for (int32_t at = 0; at >= 0; at = symbols[at].next) ids->push_back(symbols[at].id);
}

std::string Text(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

bool Flag(const Json& json, const char* key, bool otherwise) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

absl::Status Unsupported(const std::string& place, const Json& found, const std::string& expected) {
  std::string text = found.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 120) text = text.substr(0, 120) + "...";
  return absl::InvalidArgumentError(
      absl::StrCat(place, ": ", text, " is not supported; expected ", expected));
}

absl::Status ByteLevelBpe::Init(const Json& json) {
  if (!json.is_object()) return absl::InvalidArgumentError("expected a JSON object");
  if (const Json normalizer = json.value("normalizer", Json()); !normalizer.is_null()) {
    nfc_ = Text(normalizer, "type") == "NFC";
    if (!nfc_) return Unsupported("normalizer", normalizer, "null or NFC");
  }
  const Json pre_tokenizer = json.value("pre_tokenizer", Json());
  if (Text(pre_tokenizer, "type") == "Sequence") {
    const Json parts = pre_tokenizer.value("pretokenizers", Json());
    if (!parts.is_array() || parts.empty() || Text(parts.back(), "type") != "ByteLevel") {
      return Unsupported("pre_tokenizer.pretokenizers", parts, "a list that ends with ByteLevel");
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      const absl::Status status =
          InitPreTokenizer(parts[i], absl::StrCat("pre_tokenizer.pretokenizers[", i, "]"));
      if (!status.ok()) return status;
    }
  } else {
    if (Text(pre_tokenizer, "type") != "ByteLevel") {
      return Unsupported("pre_tokenizer", pre_tokenizer,
                         "ByteLevel, or a Sequence that ends with it");
    }
    const absl::Status status = InitPreTokenizer(pre_tokenizer, "pre_tokenizer");
    if (!status.ok()) return status;
  }
  const Json decoder = json.value("decoder", Json());
  if (Text(decoder, "type") != "ByteLevel") return Unsupported("decoder", decoder, "ByteLevel");
  const absl::Status status = InitModel(json.value("model", Json()));
  if (!status.ok()) return status;
  return InitAddedTokens(json.value("added_tokens", Json::array()));
}

absl::Status ByteLevelBpe::InitPreTokenizer(const Json& json, const std::string& place) {
  const std::string type = Text(json, "type");
  std::string pattern;
  if (type == "ByteLevel") {
    if (Flag(json, "add_prefix_space", true))
      return Unsupported(place + ".add_prefix_space", true, "false");
    if (!Flag(json, "use_regex", true)) return absl::OkStatus();
    pattern = kByteLevelPattern;
  } else if (type == "Digits") {
    pattern = Flag(json, "individual_digits", false) ? "\\p{N}" : "\\p{N}+";
  } else if (type == "Split") {
    const Json value = json.value("pattern", Json());
    pattern = Text(value, "Regex");
    if (pattern.empty()) return Unsupported(place + ".pattern", value, "{\"Regex\": PATTERN}");
    if (Text(json, "behavior") != "Isolated") {
      return Unsupported(place + ".behavior", json.value("behavior", Json()), "\"Isolated\"");
    }
    if (Flag(json, "invert", false)) return Unsupported(place + ".invert", true, "false");
  } else {
    return Unsupported(place, json, "Split, Digits or ByteLevel");
  }
  absl::StatusOr<Splitter> splitter = Splitter::Compile(pattern);
  if (!splitter.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": ", splitter.status().message()));
  }
  splitters_.push_back(*std::move(splitter));
  return absl::OkStatus();
}

absl::Status ByteLevelBpe::InitModel(const Json& model) {
  if (Text(model, "type") != "BPE")
    return Unsupported("model.type", model.is_object() ? model.value("type", Json()) : model,
                       "\"BPE\"");
  for (const char* key :
       {"unk_token", "dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json value = model.value(key, Json());
    if (!value.is_null() && value != "" && value != 0.0)
      return Unsupported(absl::StrCat("model.", key), value, "null");
  }
  if (Flag(model, "byte_fallback", false)) return Unsupported("model.byte_fallback", true, "false");
  ignore_merges_ = Flag(model, "ignore_merges", false);

  const Json& vocab = model.value("vocab", Json());
  if (!vocab.is_object() || vocab.empty())
    return Unsupported("model.vocab", vocab, "an object of tokens and ids");
  constexpr int64_t kMostTokens = 1 << 24;
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_integer() || id < 0 || id >= kMostTokens) {
      return Unsupported(absl::StrCat("model.vocab[\"", token, "\"]"), id, "an id from 0");
    }
    const int32_t value = id.get<int32_t>();
    if (value >= static_cast<int64_t>(tokens_.size())) tokens_.resize(value + 1);
    tokens_[value].bytes = FromAlphabet(token);
    ids_[tokens_[value].bytes] = value;
  }
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = ids_.find(std::string(1, static_cast<char>(byte)));
    byte_ids_[byte] = found == ids_.end() ? -1 : found->second;
  }

  const Json& merges = model.value("merges", Json());
  if (!merges.is_array()) return Unsupported("model.merges", merges, "a list");
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    std::string left, right;
    if (merges[rank].is_string()) {  // "a b", the older form
      const std::string text = merges[rank].get<std::string>();
      const size_t space = text.find(' ');
      left = text.substr(0, space);
      if (space != std::string::npos) right = text.substr(space + 1);
    } else if (merges[rank].is_array() && merges[rank].size() == 2 && merges[rank][0].is_string() &&
               merges[rank][1].is_string()) {
      left = merges[rank][0].get<std::string>();
      right = merges[rank][1].get<std::string>();
    }
    left = FromAlphabet(left);
    right = FromAlphabet(right);
    const auto l = ids_.find(left), r = ids_.find(right), both = ids_.find(left + right);
    if (l == ids_.end() || r == ids_.end() || both == ids_.end()) {
      return Unsupported(absl::StrCat("model.merges[", rank, "]"), merges[rank],
                         "two tokens of the vocabulary that together are a third");
    }
    merges_.insert_or_assign(Pair{l->second, r->second},
                             Merge{static_cast<int32_t>(rank), both->second});
  }
  return absl::OkStatus();
}

absl::Status ByteLevelBpe::InitAddedTokens(const Json& added) {
  if (!added.is_array()) return Unsupported("added_tokens", added, "a list");
  for (size_t i = 0; i < added.size(); ++i) {
    const Json id = added[i].is_object() ? added[i].value("id", Json()) : Json();
    const std::string content = Text(added[i], "content");
    if (!id.is_number_integer() || id < 0 || id > (1 << 24) || content.empty()) {
      return Unsupported(absl::StrCat("added_tokens[", i, "]"), added[i],
                         "an object with id and content");
    }
    const int32_t value = id.get<int32_t>();
    if (value >= static_cast<int64_t>(tokens_.size())) tokens_.resize(value + 1);
    tokens_[value] = {content, Flag(added[i], "special", false)};
    special_[content] = value;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Parse(std::string_view json,
                                                            const std::string& path) {
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(path, ": not JSON"));
  auto tokenizer = std::make_unique<ByteLevelBpe>();
  const absl::Status status = tokenizer->Init(parsed);
  if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
  return tokenizer;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& path) {
  const absl::StatusOr<std::string> json = ReadFile(path);
  if (!json.ok()) return json.status();
  return Parse(*json, path);
}

}  // namespace sojourn::policy
