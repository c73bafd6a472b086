#include "policy/chat_template_value.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy::chat_template {
namespace {

constexpr int kMostNested = 100;

}  // namespace

void Fail(std::string message) { throw Error{std::move(message)}; }

void CheckText(size_t bytes) {
  if (bytes > kMostText) Fail(absl::StrCat("a text is longer than ", kMostText, " bytes"));
}

Value Value::Undefined(std::string name) {
  Value value;
  value.text_ = std::make_shared<const std::string>(std::move(name));
  return value;
}

Value Value::None() {
  Value value;
  value.kind_ = Kind::kNone;
  return value;
}

Value Value::Bool(bool b) {
  Value value;
  value.kind_ = Kind::kBool;
  value.integer_ = b;
  return value;
}

Value Value::Int(int64_t i) {
  Value value;
  value.kind_ = Kind::kInt;
  value.integer_ = i;
  return value;
}

Value Value::Float(double d) {
  Value value;
  value.kind_ = Kind::kFloat;
  value.float_ = d;
  return value;
}

Value Value::String(std::string s) {
  Value value;
  value.kind_ = Kind::kString;
  value.text_ = std::make_shared<const std::string>(std::move(s));
  return value;
}

Value Value::Of(List items, bool tuple) {
  Value value;
  value.kind_ = tuple ? Kind::kTuple : Kind::kList;
  if (items.size() > kMostItems) Fail("a list is too long");
  for (const Value& item : items) {
    if (item.is(Kind::kNamespace)) Fail("a namespace within another value is not supported");
    value.depth_ = std::max(value.depth_, item.depth_ + 1);
  }
  if (value.depth_ > kMostNested) Fail("values are nested too deep");
  value.items_ = std::make_shared<const List>(std::move(items));
  return value;
}

Value Value::Of(Dict items) {
  Value value;
  value.kind_ = Kind::kDict;
  for (const auto& [key, item] : items) {
    if (item.is(Kind::kNamespace)) Fail("a namespace within another value is not supported");
    value.depth_ = std::max(value.depth_, item.depth_ + 1);
  }
  if (value.depth_ > kMostNested) Fail("values are nested too deep");
  value.members_ = std::make_shared<const Dict>(std::move(items));
  return value;
}

Value Value::Of(std::shared_ptr<Namespace> space) {
  Value value;
  value.kind_ = Kind::kNamespace;
  value.space_ = std::move(space);
  return value;
}

Value Value::Of(std::shared_ptr<const Macro> macro) {
  Value value;
  value.kind_ = Kind::kMacro;
  value.macro_ = std::move(macro);
  return value;
}

Value Value::Function(std::string name) {
  Value value = String(std::move(name));
  value.kind_ = Kind::kFunction;
  return value;
}

Value Value::Method(Value self, std::string name) {
  Value value = String(std::move(name));
  value.kind_ = Kind::kMethod;
  value.depth_ = self.depth_ + 1;
  if (value.depth_ > kMostNested) Fail("values are nested too deep");
  value.items_ = std::make_shared<const List>(List{std::move(self)});
  return value;
}

Value Value::FromJson(const nlohmann::ordered_json& json) {
  if (json.is_boolean()) return Bool(json.get<bool>());
  if (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX)
    Fail("an integer is too large");
  if (json.is_number_integer()) return Int(json.get<int64_t>());
  if (json.is_number_float()) return Float(json.get<double>());
  if (json.is_string()) return String(json.get<std::string>());
  if (json.is_array()) {
    List items;
    for (const auto& item : json) items.push_back(FromJson(item));
    return Of(std::move(items));
  }
  if (json.is_object()) {
    Dict members;
    for (const auto& [key, item] : json.items()) members.emplace_back(key, FromJson(item));
    return Of(std::move(members));
  }
  return None();
}

const Value* Value::Find(std::string_view key) const {
  for (const auto& [name, value] : *members_) {
    if (name == key) return &value;
  }
  return nullptr;
}

bool Value::Truth() const {
  switch (kind_) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return integer_ != 0;
    case Kind::kFloat:
      return float_ != 0;
    case Kind::kString:
      return !text_->empty();
    case Kind::kList:
    case Kind::kTuple:
      return !items_->empty();
    case Kind::kDict:
      return !members_->empty();
    default:
      return true;
  }
}

std::string Value::Type() const {
  switch (kind_) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kMacro:
      return "Macro";
    default:
      return "function";
  }
}

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[40];
  // Python writes an exponent from 1e16 on and below 1e-4.
  const double size = std::fabs(value);
  const bool exponent = size != 0 && (size >= 1e16 || size < 1e-4);
  const auto result =
      std::to_chars(digits, digits + sizeof(digits), value,
                    exponent ? std::chars_format::scientific : std::chars_format::fixed);
  std::string text(digits, result.ptr);
  if (!exponent && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string Value::Str() const {
  if (kind_ == Kind::kString) return *text_;
  if (kind_ == Kind::kUndefined) return "";
  return Repr();
}

std::string Value::Repr() const {
  switch (kind_) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return integer_ ? "True" : "False";
    case Kind::kInt:
      return absl::StrCat(integer_);
    case Kind::kFloat:
      return FloatRepr(float_);
    case Kind::kString: {
      const bool has_single = text_->find('\'') != std::string::npos;
      const char quote = has_single && text_->find('"') == std::string::npos ? '"' : '\'';
      std::string out(1, quote);
      for (const std::string_view character : Characters(*text_)) {
        const uint32_t c = CodePoint(character.data());
        if (c == static_cast<uint32_t>(quote) || c == '\\') {
          absl::StrAppend(&out, "\\", character);
        } else if (c == '\n') {
          out += "\\n";
        } else if (c == '\r') {
          out += "\\r";
        } else if (c == '\t') {
          out += "\\t";
        } else {
          const std::string_view category = utf8proc_category_string(static_cast<int32_t>(c));
          const bool prints = c == ' ' || (category[0] != 'C' && category[0] != 'Z');
          if (prints) {
            out += character;
          } else if (c < 0x100) {
            out += absl::StrFormat("\\x%02x", c);
          } else if (c < 0x10000) {
            out += absl::StrFormat("\\u%04x", c);
          } else {
            out += absl::StrFormat("\\U%08x", c);
          }
        }
      }
      return out + quote;
    }
    case Kind::kList:
    case Kind::kTuple: {
      const bool tuple = kind_ == Kind::kTuple;
      std::string out = tuple ? "(" : "[";
      for (size_t i = 0; i < items_->size(); ++i) {
        absl::StrAppend(&out, i > 0 ? ", " : "", (*items_)[i].Repr());
        CheckText(out.size());
      }
      if (tuple && items_->size() == 1) out += ",";
      return out + (tuple ? ")" : "]");
    }
    case Kind::kDict: {
      std::string out = "{";
      for (const auto& [key, value] : *members_) {
        absl::StrAppend(&out, out.size() > 1 ? ", " : "", String(key).Repr(), ": ", value.Repr());
        CheckText(out.size());
      }
      return out + "}";
    }
    default:
      Fail(absl::StrCat("printing a ", Type(), " is not supported"));
  }
}

size_t Value::Length() const {
  switch (kind_) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return Characters(*text_).size();
    case Kind::kList:
    case Kind::kTuple:
      return items_->size();
    case Kind::kDict:
      return members_->size();
    default:
      Fail(absl::StrCat("object of type '", Type(), "' has no len()"));
  }
}

List Value::Iterate() const {
  List result;
  switch (kind_) {
    case Kind::kUndefined:
      return result;
    case Kind::kString:
      if (text_->size() > kMostItems) Fail("a text is too long to go over its characters");
      for (const std::string_view c : Characters(*text_)) result.push_back(String(std::string(c)));
      return result;
    case Kind::kList:
    case Kind::kTuple:
      return *items_;
    case Kind::kDict:
      for (const auto& [key, value] : *members_) result.push_back(String(key));
      return result;
    default:
      Fail(absl::StrCat("'", Type(), "' object is not iterable"));
  }
}

std::string Value::Json(int indent, const std::string& item_separator,
                        const std::string& key_separator, bool sort_keys) const {
  std::string out;
  DumpJson(indent, 0, item_separator, key_separator, sort_keys, &out);
  return out;
}

void Value::DumpJson(int indent, int level, const std::string& item_separator,
                     const std::string& key_separator, bool sort_keys, std::string* out) const {
  CheckText(out->size());
  const auto line = [&](int at) {
    if (indent >= 0) absl::StrAppend(out, "\n", std::string(static_cast<size_t>(indent) * at, ' '));
  };
  const auto text = [&](std::string_view s) {
    *out += '"';
    for (const char c : s) {
      switch (c) {
        case '"':
          *out += "\\\"";
          break;
        case '\\':
          *out += "\\\\";
          break;
        case '\n':
          *out += "\\n";
          break;
        case '\r':
          *out += "\\r";
          break;
        case '\t':
          *out += "\\t";
          break;
        case '\b':
          *out += "\\b";
          break;
        case '\f':
          *out += "\\f";
          break;
        default:
          if (static_cast<unsigned char>(c) < 0x20) {
            *out += absl::StrFormat("\\u%04x", c);
          } else {
            *out += c;
          }
      }
    }
    *out += '"';
  };
  switch (kind_) {
    case Kind::kNone:
      *out += "null";
      break;
    case Kind::kBool:
      *out += integer_ ? "true" : "false";
      break;
    case Kind::kInt:
      absl::StrAppend(out, integer_);
      break;
    case Kind::kFloat:
      *out += std::isnan(float_)   ? "NaN"
              : std::isinf(float_) ? (float_ > 0 ? "Infinity" : "-Infinity")
                                   : FloatRepr(float_);
      break;
    case Kind::kString:
      text(*text_);
      break;
    case Kind::kList:
    case Kind::kTuple:
      *out += "[";
      for (size_t i = 0; i < items_->size(); ++i) {
        if (i > 0) *out += item_separator;
        line(level + 1);
        (*items_)[i].DumpJson(indent, level + 1, item_separator, key_separator, sort_keys, out);
      }
      if (!items_->empty()) line(level);
      *out += "]";
      break;
    case Kind::kDict: {
      Dict members = *members_;
      if (sort_keys) {
        std::stable_sort(members.begin(), members.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
      }
      *out += "{";
      for (size_t i = 0; i < members.size(); ++i) {
        if (i > 0) *out += item_separator;
        line(level + 1);
        text(members[i].first);
        *out += key_separator;
        members[i].second.DumpJson(indent, level + 1, item_separator, key_separator, sort_keys,
                                   out);
      }
      if (!members.empty()) line(level);
      *out += "}";
      break;
    }
    default:
      Fail(absl::StrCat("Object of type ", Type(), " is not JSON serializable"));
  }
}

bool Equal(const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.is_number() && b.is_number()) {
    return a.is_integer() && b.is_integer() ? a.integer() == b.integer() : a.number() == b.number();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
    case Kind::kFunction:
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple:
      return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                        Equal);
    case Kind::kDict:
      if (a.members().size() != b.members().size()) return false;
      for (const auto& [key, value] : a.members()) {
        const Value* const other = b.Find(key);
        if (other == nullptr || !Equal(value, *other)) return false;
      }
      return true;
    case Kind::kNamespace:
      return &a.space() == &b.space();
    case Kind::kMacro:
      return a.macro() == b.macro();
    default:
      return false;
  }
}

int Compare(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer())
    return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number() ? -1 : a.number() > b.number();
  if (a.kind() == b.kind() && a.is(Value::Kind::kString)) {
    const int order = a.text().compare(b.text());
    return order < 0 ? -1 : order > 0;
  }
  if (a.kind() == b.kind() && a.is_list()) {
    for (size_t i = 0; i < a.items().size() && i < b.items().size(); ++i) {
      if (!Equal(a.items()[i], b.items()[i])) return Compare(a.items()[i], b.items()[i]);
    }
    return a.items().size() < b.items().size() ? -1 : a.items().size() > b.items().size();
  }
  Fail(absl::StrCat("'", a.Type(), "' and '", b.Type(), "' have no order"));
}

bool Contains(const Value& container, const Value& item) {
  if (container.is(Value::Kind::kString)) {
    if (!item.is(Value::Kind::kString)) {
      Fail(absl::StrCat("'in <string>' requires string as left operand, not ", item.Type()));
    }
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is(Value::Kind::kDict))
    return item.is(Value::Kind::kString) && container.Find(item.text()) != nullptr;
  if (container.is_list()) {
    return std::any_of(container.items().begin(), container.items().end(),
                       [&](const Value& value) { return Equal(value, item); });
  }
  if (container.is(Value::Kind::kUndefined)) return false;
  Fail(absl::StrCat("argument of type '", container.Type(), "' is not iterable"));
}

std::vector<std::string_view> Characters(std::string_view text) {
  std::vector<std::string_view> result;
  for (size_t at = 0; at < text.size();) {
    const size_t size = std::max<size_t>(1, Utf8Unit(text.substr(at)).size);
    result.push_back(text.substr(at, size));
    at += size;
  }
  return result;
}

bool IsPythonSpace(uint32_t c) {
  return c <= kMostCodePoint && ((CharClasses()[c] & kSpace) || (c >= 0x1C && c <= 0x1F));
}

std::string_view Strip(std::string_view text, bool left, bool right) {
  while (left && !text.empty()) {
    const size_t size = Utf8Unit(text).size;
    if (size == 0 || !IsPythonSpace(CodePoint(text.data()))) break;
    text.remove_prefix(size);
  }
  while (right && !text.empty()) {
    size_t begin;
    if (!IsPythonSpace(PreviousCodePoint(text, text.size(), &begin))) break;
    text = text.substr(0, begin);
  }
  return text;
}

std::string Upper(std::string_view text) {
  std::string out;
  for (const std::string_view character : Characters(text)) {
    const uint32_t c = CodePoint(character.data());
    if (c == 0xDF) {
      out += "SS";
    } else {
      AppendUtf8(utf8proc_toupper(static_cast<int32_t>(c)), &out);
    }
  }
  return out;
}

std::string Lower(std::string_view text) {
  std::string out;
  for (const std::string_view character : Characters(text)) {
    const uint32_t c = CodePoint(character.data());
    if (c == 0x130) {
      out += "i\xCC\x87";
    } else {
      AppendUtf8(utf8proc_tolower(static_cast<int32_t>(c)), &out);
    }
  }
  return out;
}

}  // namespace sojourn::policy::chat_template
