#include "policy/stream_decoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "policy/byte_level.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {
namespace {

constexpr char kReplacementCharacter[] = "\xEF\xBF\xBD";

int16_t HexByte(std::string_view token) {  // of "<0x0A>"; -1: something else
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return -1;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  const int high = digit(token[3]), low = digit(token[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool IsCharacter(const std::string& text) {
  return !text.empty() && Utf8Unit(text).size == text.size();
}

}  // namespace

absl::StatusOr<DecoderPlan> DecoderPlan::FromJson(const Json& json) {
  DecoderPlan plan;
  if (json.is_null()) {
    plan.separator_ = " ";
    return plan;
  }
  if (absl::Status status = plan.Add(json, "decoder"); !status.ok()) return status;
  return plan;
}

absl::Status DecoderPlan::Add(const Json& json, const std::string& place) {
  const std::string type = Text(json, "type");
  if (type == "Sequence") {
    const Json& parts = Member(json, "decoders");
    if (!parts.is_array()) return Unsupported(place + ".decoders", parts, "a list");
    for (size_t i = 0; i < parts.size(); ++i) {
      absl::Status status = Add(parts[i], absl::StrCat(place, ".decoders[", i, "]"));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  const bool whole = fused_ || bytes_;  // all tokens are one by now
  if (type == "Fuse") {
    fused_ = true;
  } else if (type == "Strip") {
    const std::string content = Text(json, "content");
    const Json &start = Member(json, "start"), &stop = Member(json, "stop");
    const auto is_count = [](const Json& n) {
      return n.is_number_integer() && n >= 0 && n <= 1000;
    };
    if (!IsCharacter(content) || !is_count(start) || !is_count(stop))
      return Unsupported(place, json, "one character as content, a start and a stop");
    if (whole) {
      if (stop != 0 || strip_count_ != 0)
        return Unsupported(place, json, "one Strip after Fuse, with stop 0");
      strip_ = content;
      strip_count_ = start.get<int64_t>();
    } else if (byte_fallback_) {
      return Unsupported(place, json, "Fuse before it");
    } else {
      steps_.push_back(
          {Step::Kind::kStrip, content, "", start.get<int64_t>(), stop.get<int64_t>()});
    }
  } else if (whole || byte_fallback_ || !first_unwanted_.empty()) {
    return Unsupported(place, json, "only Fuse and Strip after ByteLevel, ByteFallback or Fuse");
  } else if (type == "ByteLevel") {
    bytes_ = true;
    steps_.push_back({Step::Kind::kByteLevel});
  } else if (type == "ByteFallback") {
    byte_fallback_ = true;
  } else if (type == "Replace") {
    const Json &pattern = Member(json, "pattern"), &content = Member(json, "content");
    if (Text(pattern, "String").empty() || !content.is_string())
      return Unsupported(place, json, "pattern {\"String\": TEXT} and content");
    steps_.push_back({Step::Kind::kReplace, Text(pattern, "String"), content.get<std::string>()});
  } else if (type == "Metaspace") {
    const std::string replacement = Text(json, "replacement");
    if (!IsCharacter(replacement)) return Unsupported(place, json, "one character as replacement");
    if (Text(json, "prepend_scheme") != "never" && Flag(json, "add_prefix_space", true)) {
      if (!steps_.empty()) return Unsupported(place, json, "nothing before Metaspace");
      first_unwanted_ = replacement;
    }
    steps_.push_back({Step::Kind::kReplace, replacement, " "});
  } else {
    return Unsupported(place, json,
                       "ByteLevel, Metaspace, Replace, Strip, ByteFallback, Fuse or Sequence");
  }
  return absl::OkStatus();
}

void DecoderPlan::SetToken(int32_t id, std::string_view token, bool special) {
  if (id >= static_cast<int64_t>(tokens_.size())) tokens_.resize(id + 1);
  std::string text(token);
  for (const Step& step : steps_) {
    switch (step.kind) {
      case Step::Kind::kByteLevel:
        text = FromAlphabet(text);
        break;
      case Step::Kind::kReplace:
        text = absl::StrReplaceAll(text, {{step.from, step.to}});
        break;
      case Step::Kind::kStrip: {
        std::string_view rest = text;
        for (int64_t i = 0; i < step.start && rest.substr(0, step.from.size()) == step.from; ++i)
          rest.remove_prefix(step.from.size());
        for (int64_t i = 0; i < step.stop && rest.size() >= step.from.size() &&
                            rest.substr(rest.size() - step.from.size()) == step.from;
             ++i)
          rest.remove_suffix(step.from.size());
        text = std::string(rest);
        break;
      }
    }
  }
  Token& entry = tokens_[id];
  entry.byte = byte_fallback_ ? HexByte(text) : -1;
  entry.text = std::move(text);
  entry.known = true;
  entry.special = special;
  if (!first_unwanted_.empty()) {
    first_texts_.resize(tokens_.size());
    first_texts_[id] = absl::StrReplaceAll(token, {{first_unwanted_, ""}});
  }
}

std::string DecoderPlan::Bytes(int32_t id) const {
  if (id < 0 || id >= static_cast<int64_t>(tokens_.size())) return "";
  const Token& token = tokens_[id];
  return token.byte >= 0 ? std::string(1, static_cast<char>(token.byte)) : token.text;
}

std::string StreamDecoder::Add(int32_t id) {
  std::string out;
  if (id < 0 || id >= static_cast<int64_t>(plan_->tokens_.size())) return out;
  const DecoderPlan::Token& token = plan_->tokens_[id];
  if (!token.known || (token.special && !with_special_)) return out;
  const bool first = std::exchange(first_, false);
  if (token.byte >= 0) {
    pending_ += static_cast<char>(token.byte);
    return out;
  }
  if (plan_->bytes_) {
    AddBytes(token.text, &out);
    return out;
  }
  EndByteRun(&out);
  if (!first) AddText(plan_->separator_, &out);
  AddText(first && !plan_->first_unwanted_.empty() ? plan_->first_texts_[id] : token.text, &out);
  return out;
}

std::string StreamDecoder::Finish() {
  std::string out;
  if (!plan_->bytes_) {
    EndByteRun(&out);
  } else if (!pending_.empty()) {
    AddText(kReplacementCharacter, &out);
  }
  pending_.clear();
  first_ = true;
  strip_left_ = plan_->strip_count_;
  return out;
}

void StreamDecoder::AddText(std::string_view text, std::string* out) {
  while (strip_left_ > 0 && !text.empty()) {
    if (text.substr(0, plan_->strip_.size()) != plan_->strip_) {
      strip_left_ = 0;
    } else {
      text.remove_prefix(plan_->strip_.size());
      --strip_left_;
    }
  }
  out->append(text);
}

void StreamDecoder::AddBytes(std::string_view bytes, std::string* out) {
  std::string joined;
  if (!pending_.empty()) {
    joined = std::exchange(pending_, "").append(bytes);
    bytes = joined;
  }
  while (!bytes.empty()) {
    const size_t valid = ValidUtf8Prefix(bytes);
    AddText(bytes.substr(0, valid), out);
    bytes.remove_prefix(valid);
    if (bytes.empty()) break;
    const Utf8Length bad = Utf8Unit(bytes);
    if (bad.incomplete) {
      pending_ = bytes;
      break;
    }
    AddText(kReplacementCharacter, out);
    bytes.remove_prefix(bad.bad_bytes);
  }
}

// As the reference has it: a run of byte tokens is text if all of it is UTF-8; else every one of
// them is unreadable.
void StreamDecoder::EndByteRun(std::string* out) {
  if (pending_.empty()) return;
  const std::string run = std::exchange(pending_, "");
  if (ValidUtf8Prefix(run) == run.size()) return AddText(run, out);
  for (size_t i = 0; i < run.size(); ++i) AddText(kReplacementCharacter, out);
}

}  // namespace sojourn::policy
