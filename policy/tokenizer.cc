#include "policy/tokenizer.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "policy/normalizer.h"
#include "policy/pretokenizer.h"
#include "policy/pretokenizer_unicode.h"
#include "policy/tokenizer_added.h"
#include "policy/tokenizer_bpe.h"
#include "policy/tokenizer_json.h"
#include "policy/tokenizer_parts.h"

namespace sojourn::policy {
namespace {

class BpeTokenizer : public Tokenizer {
 public:
  absl::Status Init(const Json& json);

  std::vector<int32_t> EncodeParts(absl::Span<const TextPart> parts,
                                   bool add_special) const override;
  std::string Decode(absl::Span<const int32_t> ids, bool with_special) const override {
    StreamDecoder decoder(&decoder_, with_special);
    std::string text;
    for (const int32_t id : ids) text += decoder.Add(id);
    return text += decoder.Finish();
  }
  StreamDecoder Stream(bool with_special) const override {
    return StreamDecoder(&decoder_, with_special);
  }
  std::string TokenBytes(int32_t id) const override { return decoder_.Bytes(id); }
  int32_t SpecialId(std::string_view token) const override {
    const auto found = added_ids_.find(token);
    return found == added_ids_.end() ? -1 : found->second;
  }
  int64_t vocab_size() const override { return vocab_size_; }

 private:
  absl::Status InitAddedTokens(const Json& added);
  absl::Status InitPostProcessor(const Json& json, const std::string& place);
  absl::Status AddTemplate(const Json& json, const std::string& place);

  // Takes the place of what encodes it one thread at a time.
  std::unique_ptr<Bpe::Workspace> TakeWorkspace() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (workspaces_.empty()) return std::make_unique<Bpe::Workspace>();
    auto workspace = std::move(workspaces_.back());
    workspaces_.pop_back();
    return workspace;
  }
  void GiveBack(std::unique_ptr<Bpe::Workspace> workspace) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    workspaces_.push_back(std::move(workspace));
  }

  struct Encoding {  // one under way
    bool parse_special, mixed;
    Bpe::Workspace* workspace;
    std::vector<int32_t>* ids;
  };
  void EncodeText(std::string_view text, bool at_start, const Encoding& encoding) const;
  void EncodePieces(std::string_view text, bool at_start, const Encoding& encoding) const;

  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  std::optional<Bpe> bpe_;
  DecoderPlan decoder_;
  std::vector<AddedToken> added_;
  absl::flat_hash_map<std::string, int32_t> added_ids_;
  AddedTokenFinder raw_;          // not normalized: looked for in the text as it is
  AddedTokenFinder raw_special_;  // and all special ones
  AddedTokenFinder normalized_;
  std::vector<int32_t> prefix_, suffix_;  // what add_special adds
  int64_t vocab_size_ = 0;

  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Bpe::Workspace>> workspaces_;
};

std::vector<int32_t> BpeTokenizer::EncodeParts(absl::Span<const TextPart> parts,
                                               bool add_special) const {
  std::string joined;
  std::string_view text;
  std::vector<std::pair<size_t, size_t>> plain;  // where special tokens are not looked for
  if (parts.size() == 1) {
    text = parts[0].text;
    if (!parts[0].parse_special) plain.emplace_back(0, text.size());
  } else {
    for (const TextPart& part : parts) {
      joined.append(part.text);
      if (!part.parse_special && !part.text.empty())
        plain.emplace_back(joined.size() - part.text.size(), joined.size());
    }
    text = joined;
  }
  const bool all_plain = plain.size() == parts.size();
  const bool mixed = !plain.empty() && !all_plain;

  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 8);
  if (add_special) ids = prefix_;
  std::unique_ptr<Bpe::Workspace> workspace = TakeWorkspace();
  const Encoding encoding{plain.empty(), mixed, workspace.get(), &ids};
  const auto may_match = [&](const AddedToken& token, size_t begin, size_t end) {
    if (!token.special || plain.empty()) return true;
    if (all_plain) return false;
    return std::none_of(plain.begin(), plain.end(),
                        [&](const auto& p) { return p.first < end && begin < p.second; });
  };
  (mixed ? raw_special_ : raw_)
      .Find(text, mixed, may_match, [&](size_t begin, size_t end, const AddedToken* token) {
        token != nullptr ? ids.push_back(token->id)
                         : EncodeText(text.substr(begin, end - begin), begin == 0, encoding);
      });
  GiveBack(std::move(workspace));
  if (add_special) ids.insert(ids.end(), suffix_.begin(), suffix_.end());
  return ids;
}

// Text between added tokens; bytes that are not UTF-8 are pieces by themselves.
void BpeTokenizer::EncodeText(std::string_view text, bool at_start,
                              const Encoding& encoding) const {
  if (ValidUtf8Prefix(text) == text.size()) return EncodePieces(text, at_start, encoding);
  const char* const begin = text.data();
  ForEachUtf8Run(text, [&](std::string_view run, bool valid) {
    valid ? EncodePieces(run, at_start && run.data() == begin, encoding)
          : bpe_->Encode(run, encoding.workspace, encoding.ids);
  });
}

void BpeTokenizer::EncodePieces(std::string_view text, bool at_start,
                                const Encoding& encoding) const {
  const auto encode = [&](std::string_view part, bool starts) {
    pre_tokenizer_.Split(part, starts, [&](std::string_view piece) {
      bpe_->Encode(piece, encoding.workspace, encoding.ids);
    });
  };
  if (normalizer_.empty() && normalized_.empty()) return encode(text, at_start);
  std::string normal(text);
  normalizer_.Apply(&normal);
  const auto may_match = [&](const AddedToken& token, size_t, size_t) {
    return encoding.parse_special || !token.special;
  };
  normalized_.Find(
      normal, false, may_match, [&](size_t begin, size_t end, const AddedToken* token) {
        token != nullptr
            ? encoding.ids->push_back(token->id)
            : encode(std::string_view(normal).substr(begin, end - begin), at_start && begin == 0);
      });
}

absl::Status BpeTokenizer::Init(const Json& json) {
  if (!json.is_object()) return absl::InvalidArgumentError("expected a JSON object");
  auto normalizer = Normalizer::FromJson(Member(json, "normalizer"));
  if (!normalizer.ok()) return normalizer.status();
  normalizer_ = *std::move(normalizer);
  auto pre_tokenizer = PreTokenizer::FromJson(Member(json, "pre_tokenizer"));
  if (!pre_tokenizer.ok()) return pre_tokenizer.status();
  pre_tokenizer_ = *std::move(pre_tokenizer);
  auto decoder = DecoderPlan::FromJson(Member(json, "decoder"));
  if (!decoder.ok()) return decoder.status();
  decoder_ = *std::move(decoder);
  auto bpe = Bpe::FromJson(Member(json, "model"), pre_tokenizer_.byte_level());
  if (!bpe.ok()) return bpe.status();
  bpe_.emplace(*std::move(bpe));
  if (absl::Status s = InitAddedTokens(Member(json, "added_tokens")); !s.ok()) return s;
  const Json& post_processor = Member(json, "post_processor");
  return post_processor.is_null() ? absl::OkStatus()
                                  : InitPostProcessor(post_processor, "post_processor");
}

absl::Status BpeTokenizer::InitAddedTokens(const Json& added) {
  if (!added.is_array() && !added.is_null()) return Unsupported("added_tokens", added, "a list");
  constexpr int64_t kMostTokens = 1 << 20;
  absl::flat_hash_map<std::string, int32_t> model;
  absl::flat_hash_map<int32_t, std::string_view> model_tokens;
  for (const auto& [token, id] : bpe_->tokens()) {
    model.emplace(token, id);
    model_tokens[id] = token;
  }
  absl::flat_hash_set<std::string> special;
  added_.reserve(added.size());
  for (size_t i = 0; i < added.size(); ++i) {
    const std::string place = absl::StrCat("added_tokens[", i, "]");
    const Json& id = Member(added[i], "id");
    AddedToken token{.content = Text(added[i], "content"),
                     .special = Flag(added[i], "special", false),
                     .normalized = Flag(added[i], "normalized", true),
                     .single_word = Flag(added[i], "single_word", false),
                     .lstrip = Flag(added[i], "lstrip", false),
                     .rstrip = Flag(added[i], "rstrip", false)};
    if (!id.is_number_integer() || id < 0 || id >= kMostTokens || token.content.empty())
      return Unsupported(place, added[i], "an object with id and content");
    token.id = id.get<int32_t>();
    const auto known = model.find(token.content);
    if (known != model.end() && known->second != token.id)
      return Unsupported(place + ".id", id, absl::StrCat(known->second, ", as in model.vocab"));
    const auto other = model_tokens.find(token.id);
    if (other != model_tokens.end() && other->second != token.content) {
      return Unsupported(place + ".id", id,
                         absl::StrCat("one that is not \"", other->second, "\"'s"));
    }
    model_tokens[token.id] = added[i].find("content")->get_ref<const std::string&>();
    if (!added_ids_.emplace(token.content, token.id).second) continue;
    if (token.special) special.insert(token.content);
    added_.push_back(std::move(token));
  }
  for (const auto& [token, id] : bpe_->tokens()) {
    decoder_.SetToken(id, token, special.contains(token));
    vocab_size_ = std::max<int64_t>(vocab_size_, id + 1);
  }
  for (const AddedToken& token : added_) {
    std::string text = token.content;
    if (token.normalized) normalizer_.Apply(&text);
    if (token.normalized) {
      normalized_.Add(text, &token);
    } else {
      raw_.Add(token.content, &token);
    }
    if (token.special || !token.normalized) raw_special_.Add(token.content, &token);
    // As the reference: it decodes to what it is looked for as, and is special by that text.
    decoder_.SetToken(token.id, text, special.contains(text));
    if (token.special) bpe_->Withhold(token.id, token.content);
    vocab_size_ = std::max<int64_t>(vocab_size_, token.id + 1);
  }
  return absl::OkStatus();
}

absl::Status BpeTokenizer::InitPostProcessor(const Json& json, const std::string& place) {
  const std::string type = Text(json, "type");
  if (type == "ByteLevel") return absl::OkStatus();  // about offsets only
  if (type == "TemplateProcessing") return AddTemplate(json, place);
  const Json& parts = Member(json, "processors");
  if (type != "Sequence" || !parts.is_array())
    return Unsupported(place, json, "TemplateProcessing, ByteLevel, Sequence or null");
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::Status status = InitPostProcessor(parts[i], absl::StrCat(place, ".processors[", i, "]"));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status BpeTokenizer::AddTemplate(const Json& json, const std::string& place) {
  const Json &single = Member(json, "single"), &tokens = Member(json, "special_tokens");
  if (!single.is_array() || single.size() > 100)
    return Unsupported(place + ".single", single, "a list");
  std::vector<int32_t> before, after;
  bool seen = false;
  for (size_t i = 0; i < single.size(); ++i) {
    const std::string here = absl::StrCat(place, ".single[", i, "]");
    if (const Json& sequence = Member(single[i], "Sequence"); !sequence.is_null()) {
      if (seen || Text(sequence, "id") != "A")
        return Unsupported(here, single[i], "the sequence A, once");
      seen = true;
      continue;
    }
    const std::string id = Text(Member(single[i], "SpecialToken"), "id");
    const Json& ids = Member(Member(tokens, id), "ids");
    if (!ids.is_array() || ids.size() > 100)
      return Unsupported(here, single[i], "a token that is in special_tokens, with its ids");
    for (const Json& value : ids) {
      if (!value.is_number_integer() || value < 0 || value >= vocab_size_)
        return Unsupported(here, ids, "ids of the vocabulary");
      (seen ? after : before).push_back(value.get<int32_t>());
    }
  }
  if (!seen) return Unsupported(place + ".single", single, "the sequence A in it");
  prefix_.insert(prefix_.begin(), before.begin(), before.end());
  suffix_.insert(suffix_.end(), after.begin(), after.end());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Tokenizer>> FromJson(const Json& json, const std::string& path) {
  auto tokenizer = std::make_unique<BpeTokenizer>();
  if (absl::Status status = tokenizer->Init(json); !status.ok()) return At(path, status);
  return tokenizer;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Parse(std::string_view json,
                                                            const std::string& path) {
  const absl::StatusOr<Json> parsed = ParseJson(json);
  if (!parsed.ok()) return At(path, parsed.status());
  return FromJson(*parsed, path);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& path) {
  const absl::StatusOr<std::string> json = ReadFile(path);
  if (!json.ok()) return json.status();
  return Parse(*json, path);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromParts(TokenizerParts parts) {
  const absl::StatusOr<Json> json = TokenizerJson(std::move(parts));
  if (!json.ok()) return json.status();
  return FromJson(*json, "tokenizer.ggml");
}

}  // namespace sojourn::policy
