#include "envs/serve/arguments.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envs/python_text.h"

namespace sojourn::envs::serve {
namespace {

constexpr size_t kLongestNumber = 4300;  // digits that Python converts
constexpr int kDeepestBody = 900;  // Python's JSON reader gives up at about its recursion limit

struct Value {
  enum Kind { kNull, kInteger, kFraction, kText, kOther } kind = kOther;
  std::string text;
};

// "+007" is 7; "" is none. `digits` are ASCII.
std::optional<std::string> Canonical(std::string_view number) {
  const bool negative = !number.empty() && number[0] == '-';
  if (!number.empty() && (number[0] == '-' || number[0] == '+')) number.remove_prefix(1);
  if (number.empty() || number.size() > kLongestNumber) return std::nullopt;
  if (!std::all_of(number.begin(), number.end(), absl::ascii_isdigit)) return std::nullopt;
  number.remove_prefix(std::min(number.find_first_not_of('0'), number.size() - 1));
  return absl::StrCat(negative && number != "0" ? "-" : "", std::string(number));
}

// "12", " 1_000 " and "3.00" are whole numbers to pydantic.
std::optional<std::string> IntegerInText(std::string_view text) {
  text = StripSpace(text);
  if (const size_t point = text.find('.'); point != std::string_view::npos) {
    if (text.find_first_not_of('0', point + 1) != std::string_view::npos) return std::nullopt;
    text = text.substr(0, point);
  }
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      digits.push_back(text[i]);
    } else if (i == 0 || i + 1 == text.size() || !absl::ascii_isdigit(text[i - 1]) ||
               !absl::ascii_isdigit(text[i + 1])) {
      return std::nullopt;
    }
  }
  return Canonical(digits);
}

// Reads the members of the outermost object. A number keeps its text, so whole ones of any size do.
class MemberReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::map<std::string, Value> members;
  bool is_object = false;

  bool null() override { return Add({Value::kNull, ""}); }
  bool boolean(bool value) override { return Add({Value::kInteger, value ? "1" : "0"}); }
  bool number_integer(int64_t value) override {
    return Add({Value::kInteger, absl::StrCat(value)});
  }
  bool number_unsigned(uint64_t value) override {
    return Add({Value::kInteger, absl::StrCat(value)});
  }
  bool number_float(double value, const std::string& text) override {
    if (text.find_first_of(".eE") == std::string::npos) {
      const std::optional<std::string> integer = Canonical(text);
      return integer.has_value() && Add({Value::kInteger, *integer});
    }
    if (value == std::floor(value) && std::abs(value) < 9.2e18) {
      return Add({Value::kInteger, absl::StrCat(static_cast<int64_t>(value))});
    }
    return Add({Value::kFraction, text});
  }
  bool string(std::string& value) override { return Add({Value::kText, value}); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override {
    is_object = is_object || depth_ == 0;
    return Open();
  }
  bool start_array(size_t) override { return Open(); }
  bool key(std::string& name) override {
    if (depth_ == 1) key_ = name;
    return true;
  }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool Add(Value value) {
    if (depth_ == 1 && is_object) members[key_] = std::move(value);
    return true;
  }
  bool Open() { return Add({Value::kOther, ""}) && ++depth_ < kDeepestBody; }
  bool Close() {
    --depth_;
    return true;
  }

  int depth_ = 0;
  std::string key_;
};

absl::StatusOr<Arguments> Check(const std::map<std::string, Value>& given,
                                const std::vector<Parameter>& parameters) {
  Arguments arguments;
  for (const Parameter& parameter : parameters) {
    const auto found = given.find(parameter.name);
    if (found == given.end()) {
      if (parameter.default_value.has_value()) {
        arguments[parameter.name] = *parameter.default_value;
      } else if (!parameter.nullable) {
        return absl::InvalidArgumentError(absl::StrCat(parameter.name, " is missing"));
      }
      continue;
    }
    const Value& value = found->second;
    if (value.kind == Value::kNull && parameter.nullable) continue;
    std::optional<std::string> argument;
    if (parameter.type == Parameter::kInteger) {
      if (value.kind == Value::kInteger) argument = value.text;
      if (value.kind == Value::kText) argument = IntegerInText(value.text);
    } else if (value.kind == Value::kText) {
      argument = value.text;
    }
    if (!argument.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat(parameter.name, " is not ",
                       parameter.type == Parameter::kInteger ? "a whole number" : "a text"));
    }
    arguments[parameter.name] = *std::move(argument);
  }
  return arguments;
}

std::string Unescape(std::string_view text) {
  const auto hex = [](char c) {
    return absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10;
  };
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) &&
        absl::ascii_isxdigit(text[i + 2])) {
      plain.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
      i += 2;
    } else {
      plain.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return plain;
}

}  // namespace

absl::StatusOr<Arguments> ParseBody(std::string_view body,
                                    const std::vector<Parameter>& parameters) {
  MemberReader reader;
  if (!nlohmann::json::sax_parse(body, &reader) || !reader.is_object) {
    return absl::InvalidArgumentError("the body is not a JSON object");
  }
  return Check(reader.members, parameters);
}

absl::StatusOr<Arguments> ParseQuery(std::string_view query,
                                     const std::vector<Parameter>& parameters) {
  std::map<std::string, Value> given;
  for (const std::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const size_t equals = std::min(part.find('='), part.size());
    const std::string_view value = part.substr(std::min(equals + 1, part.size()));
    given[Unescape(part.substr(0, equals))] = {Value::kText, Unescape(value)};
  }
  return Check(given, parameters);
}

Division Divide(std::string_view number, int divisor) {
  const bool negative = number[0] == '-';
  if (negative) number.remove_prefix(1);
  std::string quotient;
  int remainder = 0;
  for (const char digit : number) {
    remainder = remainder * 10 + (digit - '0');
    quotient.push_back(static_cast<char>('0' + remainder / divisor));
    remainder %= divisor;
  }
  if (negative && remainder > 0) {  // towards minus infinity: the magnitude grows by one
    remainder = divisor - remainder;
    size_t i = quotient.size();
    while (i > 0 && quotient[i - 1] == '9') quotient[--i] = '0';
    if (i > 0) {
      ++quotient[i - 1];
    } else {
      quotient.insert(quotient.begin(), '1');
    }
  }
  quotient.erase(0, std::min(quotient.find_first_not_of('0'), quotient.size() - 1));
  return {absl::StrCat(negative && quotient != "0" ? "-" : "", quotient), remainder};
}

std::optional<absl::uint128> ToUint128(std::string_view number) {
  absl::uint128 value = 0;
  for (const char digit : number) {
    if (!absl::ascii_isdigit(digit)) return std::nullopt;
    if (value > (absl::Uint128Max() - (digit - '0')) / 10) return std::nullopt;
    value = value * 10 + (digit - '0');
  }
  return value;
}

}  // namespace sojourn::envs::serve
