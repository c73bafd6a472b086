#include "envs/python_text.h"

#include <utf8proc.h>

#include <cstdint>

#include "absl/strings/str_format.h"

namespace sojourn::envs {
namespace {

// The code point at the front and its length in bytes; -1 and 1 where the text is not UTF-8.
struct CodePoint {
  int32_t value;
  size_t length;
};

CodePoint Front(std::string_view text) {
  utf8proc_int32_t value = -1;
  const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &value);
  if (length <= 0) return {-1, 1};
  return {value, static_cast<size_t>(length)};
}

bool IsSpace(int32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

// str.isprintable(): neither "Other" nor "Separator" in Unicode's terms, the space aside.
bool IsPrintable(int32_t c) {
  if (c == ' ') return true;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

void AppendEscaped(int32_t c, std::string& out) {
  if (c < 0x100) {
    absl::StrAppendFormat(&out, "\\x%02x", c);
  } else if (c < 0x10000) {
    absl::StrAppendFormat(&out, "\\u%04x", c);
  } else {
    absl::StrAppendFormat(&out, "\\U%08x", c);
  }
}

}  // namespace

size_t LeadingSpace(std::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    const CodePoint front = Front(text.substr(length));
    if (!IsSpace(front.value)) break;
    length += front.length;
  }
  return length;
}

std::string_view StripSpace(std::string_view text) {
  text.remove_prefix(LeadingSpace(text));
  while (!text.empty()) {
    size_t start = text.size() - 1;  // of the last code point
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) --start;
    if (LeadingSpace(text.substr(start)) != text.size() - start) break;
    text = text.substr(0, start);
  }
  return text;
}

std::string PythonRepr(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  while (!text.empty()) {
    const CodePoint front = Front(text);
    const char byte = text.front();
    if (front.value < 0) {
      AppendEscaped(static_cast<unsigned char>(byte), out);
    } else if (byte == quote || byte == '\\') {
      out += '\\';
      out += byte;
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\r') {
      out += "\\r";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (IsPrintable(front.value)) {
      out += text.substr(0, front.length);
    } else {
      AppendEscaped(front.value, out);
    }
    text.remove_prefix(front.length);
  }
  out += quote;
  return out;
}

}  // namespace sojourn::envs
