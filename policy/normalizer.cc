#include "policy/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {
namespace {

// Below this, no form changes a character, and none joins the one before it.
constexpr uint32_t kFirstChanged = 0xA0;

// No form changes it or joins it to what is before it: a text may be normalized up to it by itself.
bool IsStable(uint32_t c) {
  if (c < kFirstChanged) return true;
  if ((c >= 0x1100 && c <= 0x11FF) || (c >= 0xAC00 && c <= 0xD7A3)) return false;  // Hangul
  const utf8proc_property_t* const property =
      utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  return property->combining_class == 0 && property->decomp_seqindex == UINT16_MAX &&
         property->comb_index == UINT16_MAX;
}

void AppendForm(std::string_view text, bool compose, bool compatible, std::string* out) {
  utf8proc_uint8_t* result = nullptr;
  const int options = UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                      (compatible ? UTF8PROC_COMPAT : 0);
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), text.size(), &result,
                   static_cast<utf8proc_option_t>(options));
  if (size >= 0) {
    out->append(reinterpret_cast<const char*>(result), size);
  } else {  // too large for utf8proc
    out->append(text);
  }
  std::free(result);
}

// Only around characters that are not stable there is work.
void Form(bool compose, bool compatible, std::string* text) {
  const uint8_t* const classes = CharClasses();
  std::string result;
  size_t done = 0;  // all before this is in the result
  size_t cut = 0;   // the text may be cut here
  bool work = false;
  const auto end_work = [&](size_t end) {
    AppendForm(std::string_view(*text).substr(done, end - done), compose, compatible, &result);
    done = end;
    work = false;
  };
  for (size_t at = 0; at < text->size();) {
    const uint32_t c = CodePoint(text->data() + at);
    const size_t size = CharBytes((*text)[at]);
    if (classes[c] & kInert) {
      if (work) end_work(at);
      cut = at + size;
    } else if (IsStable(c)) {
      if (work) end_work(at);
      cut = at;
    } else if (!work) {
      result.append(*text, done, cut - done);
      done = cut;
      work = true;
    }
    at += size;
  }
  if (done == 0 && !work) return;
  work ? end_work(text->size()) : (void)result.append(*text, done);
  *text = std::move(result);
}

// Rust's char::to_lowercase (Unicode 17), where it differs from utf8proc.
void AppendLower(uint32_t c, std::string* out) {
  if (c == 0x130) return (void)out->append("i\xCC\x87");
  switch (c) {
    case 0x1C89:
    case 0xA7CC:
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
    case 0xA7DA:
      return AppendUtf8(c + 1, out);
    case 0xA7CB:
      return AppendUtf8(0x264, out);
    case 0xA7DC:
      return AppendUtf8(0x19B, out);
    default:
      break;
  }
  if (c >= 0x10D50 && c <= 0x10D65) return AppendUtf8(c + 0x20, out);
  if (c >= 0x16EA0 && c <= 0x16EB8) return AppendUtf8(c + 0x1B, out);
  AppendUtf8(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)), out);
}

void Lowercase(std::string* text) {
  std::string result;
  for (size_t at = 0; at < text->size(); at += CharBytes((*text)[at]))
    AppendLower(CodePoint(text->data() + at), &result);
  *text = std::move(result);
}

void Strip(bool left, bool right, std::string* text) {
  const uint8_t* const classes = CharClasses();
  size_t begin = 0, end = text->size();
  while (left && begin < end && classes[CodePoint(text->data() + begin)] & kSpace)
    begin += CharBytes((*text)[begin]);
  for (size_t last = end; right && end > begin; end = last) {
    if (!(classes[PreviousCodePoint(*text, end, &last)] & kSpace)) break;
  }
  *text = text->substr(begin, end - begin);
}

}  // namespace

absl::StatusOr<Normalizer> Normalizer::FromJson(const Json& json) {
  Normalizer result;
  if (json.is_null()) return result;
  if (absl::Status status = result.Add(json, "normalizer"); !status.ok()) return status;
  return result;
}

absl::Status Normalizer::Add(const Json& json, const std::string& place) {
  const std::string type = Text(json, "type");
  Step step;
  if (type == "Sequence") {
    const Json& parts = Member(json, "normalizers");
    if (!parts.is_array()) return Unsupported(place + ".normalizers", parts, "a list");
    for (size_t i = 0; i < parts.size(); ++i) {
      absl::Status status = Add(parts[i], absl::StrCat(place, ".normalizers[", i, "]"));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    step.compose = type.back() == 'C';
    step.compatible = type.size() == 4;
  } else if (type == "Lowercase") {
    step.kind = Kind::kLowercase;
  } else if (type == "Prepend") {
    step.kind = Kind::kPrepend;
    step.content = Text(json, "prepend");
  } else if (type == "Replace") {
    step.kind = Kind::kReplace;
    step.content = Text(json, "content");
    const Json& pattern = Member(json, "pattern");
    if (const Json& literal = Member(pattern, "String"); literal.is_string()) {
      step.pattern = Pattern::Literal(literal.get<std::string>());
    } else if (const Json& regex = Member(pattern, "Regex"); regex.is_string()) {
      absl::StatusOr<Pattern> compiled = Pattern::Compile(regex.get<std::string>());
      if (!compiled.ok()) return At(place, compiled.status());
      step.pattern = *std::move(compiled);
    } else {
      return Unsupported(place + ".pattern", pattern, "{\"String\": TEXT} or {\"Regex\": PATTERN}");
    }
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    step.left = Flag(json, "strip_left", false);
    step.right = Flag(json, "strip_right", false);
  } else {
    return Unsupported(
        place, json, "NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, Sequence or null");
  }
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

void Normalizer::Apply(std::string* text) const {
  for (const Step& step : steps_) {
    switch (step.kind) {
      case Kind::kForm:
        Form(step.compose, step.compatible, text);
        break;
      case Kind::kLowercase:
        Lowercase(text);
        break;
      case Kind::kPrepend:
        if (!text->empty()) text->insert(0, step.content);
        break;
      case Kind::kReplace: {
        std::string result;
        step.pattern.Find(*text, [&](std::string_view part, bool is_match) {
          result += is_match ? std::string_view(step.content) : part;
        });
        *text = std::move(result);
        break;
      }
      case Kind::kStrip:
        Strip(step.left, step.right, text);
        break;
    }
  }
}

}  // namespace sojourn::policy
