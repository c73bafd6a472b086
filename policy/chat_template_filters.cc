#include "policy/chat_template_filters.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy::chat_template {
namespace {

using Kind = Value::Kind;

[[noreturn]] void Mismatch(const std::string& what, const Value& value) {
  if (value.is(Kind::kUndefined)) Fail(absl::StrCat("'", value.text(), "' is undefined"));
  Fail(absl::StrCat(what, " is not possible with a ", value.Type()));
}

// Strings in place of what is not one, as the filters about text have it.
std::string Soft(const Value& value) { return value.Str(); }

std::string StripSet(std::string_view text, std::string_view set, bool left, bool right) {
  const std::vector<std::string_view> unwanted = Characters(set);
  std::vector<std::string_view> characters = Characters(text);
  const auto is_unwanted = [&](std::string_view c) {
    return std::find(unwanted.begin(), unwanted.end(), c) != unwanted.end();
  };
  size_t begin = 0, end = characters.size();
  while (left && begin < end && is_unwanted(characters[begin])) ++begin;
  while (right && end > begin && is_unwanted(characters[end - 1])) --end;
  return absl::StrJoin(characters.begin() + begin, characters.begin() + end, "");
}

std::string StripBy(std::string_view text, const Value* set, bool left, bool right) {
  if (set == nullptr || set->is(Kind::kNone)) return std::string(Strip(text, left, right));
  return StripSet(text, set->Str(), left, right);
}

std::string Capitalized(std::string_view text) {
  const std::vector<std::string_view> characters = Characters(text);
  if (characters.empty()) return "";
  return Upper(characters[0]) + Lower(text.substr(characters[0].size()));
}

bool IsLetter(std::string_view character) {
  return CharClasses()[CodePoint(character.data())] & kLetter;
}

std::string Replace(std::string_view text, const std::string& from, const std::string& to,
                    int64_t count) {
  std::string out;
  if (from.empty()) {  // between all characters
    const auto characters = Characters(text);
    for (size_t i = 0; i <= characters.size(); ++i) {
      if (count < 0 || static_cast<int64_t>(i) < count) out += to;
      if (i < characters.size()) out += characters[i];
      CheckText(out.size());
    }
    return out;
  }
  size_t at = 0;
  for (size_t found; count != 0 && (found = text.find(from, at)) != std::string_view::npos;
       --count) {
    absl::StrAppend(&out, text.substr(at, found - at), to);
    at = found + from.size();
    CheckText(out.size());
  }
  absl::StrAppend(&out, text.substr(at));
  return out;
}

Value Texts(const std::vector<std::string>& texts) {
  List items;
  for (const std::string& text : texts) items.push_back(Value::String(text));
  return Value::Of(std::move(items));
}

Value Split(std::string_view text, const Value* separator, int64_t most, bool from_right) {
  std::vector<std::string> parts;
  if (separator == nullptr || separator->is(Kind::kNone)) {  // by any space
    std::string_view rest = Strip(text, true, true);
    while (!rest.empty()) {
      if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
        parts.emplace_back(rest);
        break;
      }
      size_t cut = from_right ? rest.size() : 0;
      if (from_right) {
        for (size_t begin; cut > 0 && !IsPythonSpace(PreviousCodePoint(rest, cut, &begin));)
          cut = begin;
        parts.emplace_back(rest.substr(cut));
        rest = Strip(rest.substr(0, cut), false, true);
      } else {
        while (cut < rest.size() && !IsPythonSpace(CodePoint(rest.data() + cut)))
          cut += CharBytes(rest[cut]);
        parts.emplace_back(rest.substr(0, cut));
        rest = Strip(rest.substr(cut), true, false);
      }
    }
    if (from_right) std::reverse(parts.begin(), parts.end());
    return Texts(parts);
  }
  if (!separator->is(Kind::kString)) Mismatch("splitting by it", *separator);
  const std::string& by = separator->text();
  if (by.empty()) Fail("empty separator");
  while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
    const size_t at = from_right ? text.rfind(by) : text.find(by);
    if (at == std::string_view::npos) break;
    parts.emplace_back(from_right ? text.substr(at + by.size()) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(at + by.size());
  }
  parts.emplace_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return Texts(parts);
}

// As Python's splitlines: after the last line's end there is none.
std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const uint32_t c = CodePoint(text.data() + at);
    const size_t end = at;
    at += CharBytes(text[at]);
    const bool ends = (c >= 0xA && c <= 0xD) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (!ends) continue;
    lines.emplace_back(text.substr(begin, end - begin));
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    begin = at;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

bool StartsOrEnds(const std::string& text, const Value& with, bool starts) {
  const auto test = [&](const Value& part) {
    if (!part.is(Kind::kString)) Mismatch(starts ? "startswith" : "endswith", part);
    const std::string& t = part.text();
    return t.size() <= text.size() &&
           text.compare(starts ? 0 : text.size() - t.size(), t.size(), t) == 0;
  };
  if (!with.is(Kind::kTuple)) return test(with);
  return std::any_of(with.items().begin(), with.items().end(), test);
}

std::optional<double> ToNumber(const Value& value) {
  if (value.is_number()) return value.number();
  double number = 0;
  if (value.is(Kind::kString) && absl::SimpleAtod(Strip(value.text(), true, true), &number))
    return number;
  return std::nullopt;
}

Value StringMethod(const std::string& text, const Call& call, Budget* budget) {
  const std::string& name = call.name;
  const Value* const first = call.Find(0, "");
  const auto needed = [&]() -> const Value& {
    if (first == nullptr) Fail(absl::StrCat(name, "() needs an argument"));
    return *first;
  };
  if (name == "strip") return budget->Text(StripBy(text, first, true, true));
  if (name == "lstrip") return budget->Text(StripBy(text, first, true, false));
  if (name == "rstrip") return budget->Text(StripBy(text, first, false, true));
  if (name == "split" || name == "rsplit") {
    budget->Spend(text.size() / 16);
    return Split(text, call.Find(0, "sep"), call.Integer(1, "maxsplit", -1), name == "rsplit");
  }
  if (name == "splitlines") {
    if (call.Flag(0, "keepends", false)) Fail("splitlines with keepends is not supported");
    return Texts(Lines(text));
  }
  if (name == "startswith") return Value::Bool(StartsOrEnds(text, needed(), true));
  if (name == "endswith") return Value::Bool(StartsOrEnds(text, needed(), false));
  if (name == "replace") {
    if (call.positional.size() < 2) Fail("replace() needs two arguments");
    return budget->Text(Replace(text, call.Text(0, "old", ""), call.Text(1, "new", ""),
                                call.Integer(2, "count", -1)));
  }
  if (name == "upper") return budget->Text(Upper(text));
  if (name == "lower") return budget->Text(Lower(text));
  if (name == "capitalize") return budget->Text(Capitalized(text));
  if (name == "title") {
    std::string out;
    bool in_word = false;
    for (const std::string_view c : Characters(text)) {
      out += in_word ? Lower(c) : Upper(c);
      in_word = IsLetter(c);
    }
    return budget->Text(std::move(out));
  }
  if (name == "find" || name == "rfind" || name == "index" || name == "count") {
    const std::string part = needed().Str();
    if (name == "count") {
      if (part.empty()) return Value::Int(static_cast<int64_t>(Characters(text).size()) + 1);
      int64_t count = 0;
      for (size_t at = text.find(part); at != std::string::npos;
           at = text.find(part, at + part.size()))
        ++count;
      return Value::Int(count);
    }
    const size_t at = name == "rfind" ? text.rfind(part) : text.find(part);
    if (at == std::string::npos && name == "index") Fail("substring not found");
    return Value::Int(
        at == std::string::npos
            ? -1
            : static_cast<int64_t>(Characters(std::string_view(text).substr(0, at)).size()));
  }
  if (name == "join") {
    std::vector<std::string> parts;
    size_t size = 0;
    for (const Value& part : needed().Iterate()) {
      if (!part.is(Kind::kString)) Mismatch("join()", part);
      CheckText(size += part.text().size() + text.size());
      parts.push_back(part.text());
    }
    return budget->Text(absl::StrJoin(parts, text));
  }
  if (name == "removeprefix" || name == "removesuffix") {
    const bool prefix = name == "removeprefix";
    const size_t size = needed().Str().size();
    if (!StartsOrEnds(text, needed(), prefix)) return Value::String(text);
    return budget->Text(prefix ? text.substr(size) : text.substr(0, text.size() - size));
  }
  if (name == "isdigit" || name == "isalpha" || name == "isspace") {
    const auto characters = Characters(text);
    return Value::Bool(!characters.empty() &&
                       std::all_of(characters.begin(), characters.end(), [&](std::string_view c) {
                         const uint32_t point = CodePoint(c.data());
                         return name == "isspace"   ? IsPythonSpace(point)
                                : name == "isalpha" ? IsLetter(c)
                                                    : point >= '0' && point <= '9';
                       }));
  }
  if (name == "isupper" || name == "islower") {
    const bool upper = name == "isupper";
    return Value::Bool((upper ? Upper(text) : Lower(text)) == text &&
                       (upper ? Lower(text) : Upper(text)) != text);
  }
  Fail(absl::StrCat("the method str.", name, " is not supported"));
}

Value Items(const Dict& members) {
  List items;
  for (const auto& [key, value] : members)
    items.push_back(Value::Of(List{Value::String(key), value}, /*tuple=*/true));
  return Value::Of(std::move(items));
}

// "a.b.0" of a value, or the value's own.
Value Path(Value value, const Value& path) {
  if (!path.is(Kind::kString)) return Item(value, path);
  for (const absl::string_view part : absl::StrSplit(path.text(), '.')) {
    int64_t index;
    value = absl::SimpleAtoi(part, &index) ? Item(value, Value::Int(index))
                                           : Item(value, Value::String(std::string(part)));
  }
  return value;
}

Value SortKey(const Value& value, const Value* path, bool case_sensitive) {
  Value key = path == nullptr || path->is(Kind::kNone) ? value : Path(value, *path);
  return !case_sensitive && key.is(Kind::kString) ? Value::String(Lower(key.text())) : key;
}

// select, reject, selectattr, rejectattr.
Value Select(const Value& value, const Call& call, bool by_attribute, bool wanted, Budget* budget) {
  const size_t skipped = by_attribute ? 1 : 0;
  if (by_attribute && call.positional.empty()) Fail(absl::StrCat(call.name, " needs an attribute"));
  List kept;
  for (const Value& item : value.Iterate()) {
    budget->Spend(1);
    const Value tested = by_attribute ? Path(item, call.positional[0]) : item;
    bool holds = tested.Truth();
    if (call.positional.size() > skipped) {
      Call test{.name = call.positional[skipped].Str()};
      test.positional.assign(call.positional.begin() + skipped + 1, call.positional.end());
      if (!IsTest(test.name)) Fail(absl::StrCat("the test \"", test.name, "\" is not supported"));
      holds = CallTest(tested, test);
    }
    if (holds == wanted) kept.push_back(item);
  }
  return Value::Of(std::move(kept));
}

Value Map(const Value& value, const Call& call, Budget* budget) {
  const Value* const attribute = call.Find(SIZE_MAX, "attribute");
  const Value* const otherwise = call.Find(SIZE_MAX, "default");
  if (attribute == nullptr && call.positional.empty()) Fail("map needs a filter or an attribute");
  List mapped;
  for (const Value& item : value.Iterate()) {
    budget->Spend(1);
    if (attribute != nullptr) {
      Value found = Path(item, *attribute);
      mapped.push_back(found.is(Kind::kUndefined) && otherwise != nullptr ? *otherwise : found);
      continue;
    }
    Call filter{.name = call.positional[0].Str(), .named = call.named};
    filter.positional.assign(call.positional.begin() + 1, call.positional.end());
    if (!IsFilter(filter.name))
      Fail(absl::StrCat("the filter \"", filter.name, "\" is not supported"));
    mapped.push_back(CallFilter(item, filter, budget));
  }
  return Value::Of(std::move(mapped));
}

Value ToJson(const Value& value, const Call& call, Budget* budget) {
  if (call.Flag(0, "ensure_ascii", false)) Fail("tojson with ensure_ascii is not supported");
  const Value* const indent = call.Find(1, "indent");
  const bool indented = indent != nullptr && !indent->is(Kind::kNone);
  std::string item = indented ? "," : ", ", key = ": ";
  if (const Value* separators = call.Find(2, "separators");
      separators != nullptr && !separators->is(Kind::kNone)) {
    const List pair = separators->Iterate();
    if (pair.size() != 2) Fail("tojson: separators are two texts");
    item = pair[0].Str();
    key = pair[1].Str();
  }
  const int64_t width = indented ? call.Integer(1, "indent", 0) : -1;
  if (width > 100) Fail("tojson: the indent is too large");
  return budget->Text(
      value.Json(static_cast<int>(width), item, key, call.Flag(3, "sort_keys", false)));
}

Value ToInteger(const Value& value, const Call& call) {
  const Value* const given = call.Find(0, "default");
  const Value otherwise = given == nullptr ? Value::Int(0) : *given;
  if (value.is_integer()) return Value::Int(value.integer());
  int64_t integer;
  if (value.is(Kind::kString) && absl::SimpleAtoi(Strip(value.text(), true, true), &integer))
    return Value::Int(integer);
  if (value.is(Kind::kUndefined)) Mismatch("int", value);
  const std::optional<double> number = ToNumber(value);
  if (!number.has_value() || !std::isfinite(*number)) return otherwise;
  if (!(std::fabs(*number) < 9e18)) Fail("a number is too large");
  return Value::Int(static_cast<int64_t>(*number));
}

Value Indented(const std::string& text, const Call& call, Budget* budget) {
  const Value* const width = call.Find(0, "width");
  const int64_t spaces = width != nullptr && width->is_integer() ? width->integer() : 4;
  if (spaces < 0 || spaces > 1000) Fail("indent: the width is too large");
  const std::string indent = width != nullptr && width->is(Kind::kString)
                                 ? width->text()
                                 : std::string(static_cast<size_t>(spaces), ' ');
  const bool first = call.Flag(1, "first", false), blank = call.Flag(2, "blank", false);
  std::string out;
  bool begins = true;
  // As jinja2: lines end in \n then, and with `blank` the last one keeps an end that it had.
  std::vector<std::string> lines = Lines(absl::StrCat(text, "\n"));
  for (const std::string& line : lines) {
    if (!begins) out += '\n';
    if (begins ? first : (blank || !line.empty())) out += indent;
    out += line;
    begins = false;
  }
  return budget->Text(std::move(out));
}

Value TitleFilter(const std::string& text, Budget* budget) {
  std::string out;
  bool begins = true;
  for (const std::string_view c : Characters(text)) {
    const bool between = IsPythonSpace(CodePoint(c.data())) ||
                         std::string_view("-({[<").find(c) != std::string_view::npos;
    out += between ? std::string(c) : begins ? Upper(c) : Lower(c);
    begins = between;
  }
  return budget->Text(std::move(out));
}

Value Rounded(const Value& value, const Call& call) {
  if (!value.is_number()) Mismatch("round", value);
  const int64_t precision = call.Integer(0, "precision", 0);
  const std::string method = call.Text(1, "method", "common");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.number() * scale;
  return Value::Float((method == "ceil"    ? std::ceil(scaled)
                       : method == "floor" ? std::floor(scaled)
                                           : std::nearbyint(scaled)) /
                      scale);
}

Value Extreme(const Value& value, const Call& call, int sign) {
  const Value* const path = call.Find(1, "attribute");
  const bool case_sensitive = call.Flag(0, "case_sensitive", false);
  const List items = value.Iterate();
  const Value* best = nullptr;
  for (const Value& item : items) {
    if (best == nullptr ||
        sign * Compare(SortKey(item, path, case_sensitive), SortKey(*best, path, case_sensitive)) >
            0)
      best = &item;
  }
  return best == nullptr ? Value::Undefined("an empty sequence's extreme") : *best;
}

using Filter = std::function<Value(const Value&, const Call&, Budget*)>;

const std::map<std::string, Filter>& Filters() {
  static const auto* const filters = new std::map<std::string, Filter>{
      {"trim", [](const Value& v, const Call& c, Budget* b) {
         return b->Text(StripBy(Soft(v), c.Find(0, "chars"), true, true));
       }},
      {"length", [](const Value& v, const Call&, Budget*) {
         return Value::Int(static_cast<int64_t>(v.Length()));
       }},
      {"tojson", ToJson},
      {"join", [](const Value& v, const Call& c, Budget* b) {
         const Value* const path = c.Find(1, "attribute");
         const std::string between = c.Text(0, "d", "");
         std::string text;
         bool first = true;
         for (const Value& part : v.Iterate()) {
           absl::StrAppend(&text, first ? "" : between,
                           (path == nullptr ? part : Path(part, *path)).Str());
           CheckText(text.size());
           first = false;
         }
         return b->Text(std::move(text));
       }},
      {"upper", [](const Value& v, const Call&, Budget* b) { return b->Text(Upper(Soft(v))); }},
      {"lower", [](const Value& v, const Call&, Budget* b) { return b->Text(Lower(Soft(v))); }},
      {"title", [](const Value& v, const Call&, Budget* b) { return TitleFilter(Soft(v), b); }},
      {"capitalize", [](const Value& v, const Call&, Budget* b) { return b->Text(Capitalized(Soft(v))); }},
      {"default", [](const Value& v, const Call& c, Budget*) {
         const bool missing = v.is(Kind::kUndefined) || (c.Flag(1, "boolean", false) && !v.Truth());
         const Value* const otherwise = c.Find(0, "default_value");
         return !missing ? v : otherwise == nullptr ? Value::String("") : *otherwise;
       }},
      {"select", [](const Value& v, const Call& c, Budget* b) { return Select(v, c, false, true, b); }},
      {"reject", [](const Value& v, const Call& c, Budget* b) { return Select(v, c, false, false, b); }},
      {"selectattr", [](const Value& v, const Call& c, Budget* b) { return Select(v, c, true, true, b); }},
      {"rejectattr", [](const Value& v, const Call& c, Budget* b) { return Select(v, c, true, false, b); }},
      {"map", Map},
      {"list", [](const Value& v, const Call&, Budget* b) {
         return Value::Of(v.Iterate());
       }},
      {"string", [](const Value& v, const Call&, Budget* b) { return b->Text(Soft(v)); }},
      {"safe", [](const Value& v, const Call&, Budget*) { return v; }},
      {"first", [](const Value& v, const Call&, Budget*) {
         const List items = v.Iterate();
         return items.empty() ? Value::Undefined("the first of none") : items.front();
       }},
      {"last", [](const Value& v, const Call&, Budget*) {
         const List items = v.Iterate();
         return items.empty() ? Value::Undefined("the last of none") : items.back();
       }},
      {"replace", [](const Value& v, const Call& c, Budget* b) {
         return b->Text(Replace(Soft(v), c.Text(0, "old", ""), c.Text(1, "new", ""),
                                c.Integer(2, "count", -1)));
       }},
      {"items", [](const Value& v, const Call&, Budget*) {
         if (v.is(Kind::kUndefined)) return Value::Of(List{});
         if (!v.is(Kind::kDict)) Mismatch("items", v);
         return Items(v.members());
       }},
      {"int", [](const Value& v, const Call& c, Budget*) { return ToInteger(v, c); }},
      {"float", [](const Value& v, const Call& c, Budget*) {
         if (v.is(Kind::kUndefined)) Mismatch("float", v);
         const auto number = ToNumber(v);
         const Value* const otherwise = c.Find(0, "default");
         return number.has_value() ? Value::Float(*number)
                : otherwise == nullptr ? Value::Float(0) : *otherwise;
       }},
      {"abs", [](const Value& v, const Call&, Budget*) {
         if (!v.is_number()) Mismatch("abs", v);
         if (v.is_integer() && v.integer() == INT64_MIN) Fail("a number is too large");
         return v.is_integer() ? Value::Int(std::abs(v.integer())) : Value::Float(std::fabs(v.number()));
       }},
      {"round", [](const Value& v, const Call& c, Budget*) { return Rounded(v, c); }},
      {"min", [](const Value& v, const Call& c, Budget*) { return Extreme(v, c, -1); }},
      {"max", [](const Value& v, const Call& c, Budget*) { return Extreme(v, c, 1); }},
      {"sum", [](const Value& v, const Call& c, Budget* b) {
         const Value* const path = c.Find(0, "attribute");
         const Value* const start = c.Find(1, "start");
         Value sum = start == nullptr ? Value::Int(0) : *start;
         for (const Value& item : v.Iterate())
           sum = Binary("+", sum, path == nullptr || path->is(Kind::kNone) ? item : Path(item, *path), b);
         return sum;
       }},
      {"sort", [](const Value& v, const Call& c, Budget* b) {
         const bool reverse = c.Flag(0, "reverse", false), exact = c.Flag(1, "case_sensitive", false);
         const Value* const path = c.Find(2, "attribute");
         if (path != nullptr && absl::StrContains(path->Str(), ",")) Fail("sorting by several attributes is not supported");
         List items = v.Iterate();
         b->Spend(items.size() * 20);
         std::stable_sort(items.begin(), items.end(), [&](const Value& x, const Value& y) {
           const Value a = SortKey(x, path, exact), b = SortKey(y, path, exact);
           // jinja2 compares lists of attributes: what is equal needs no order.
           const int order = Equal(a, b) ? 0 : Compare(a, b);
           return reverse ? order > 0 : order < 0;
         });
         return Value::Of(std::move(items));
       }},
      {"dictsort", [](const Value& v, const Call& c, Budget*) {
         if (!v.is(Kind::kDict)) Mismatch("dictsort", v);
         const bool exact = c.Flag(0, "case_sensitive", false), reverse = c.Flag(2, "reverse", false);
         const size_t by = c.Text(1, "by", "key") == "value" ? 1 : 0;
         List items = Items(v.members()).items();
         std::stable_sort(items.begin(), items.end(), [&](const Value& x, const Value& y) {
           const int order = Compare(SortKey(x.items()[by], nullptr, exact),
                                     SortKey(y.items()[by], nullptr, exact));
           return reverse ? order > 0 : order < 0;
         });
         return Value::Of(std::move(items));
       }},
      {"unique", [](const Value& v, const Call& c, Budget* b) {
         const bool exact = c.Flag(0, "case_sensitive", false);
         const Value* const path = c.Find(1, "attribute");
         List kept, keys;
         for (const Value& item : v.Iterate()) {
           Value key = SortKey(item, path, exact);
           b->Spend(1 + keys.size());
           if (std::any_of(keys.begin(), keys.end(), [&](const Value& k) { return Equal(k, key); }))
             continue;
           keys.push_back(std::move(key));
           kept.push_back(item);
         }
         return Value::Of(std::move(kept));
       }},
      {"reverse", [](const Value& v, const Call&, Budget* b) {
         if (v.is(Kind::kString)) {
           auto characters = Characters(v.text());
           std::reverse(characters.begin(), characters.end());
           return b->Text(absl::StrJoin(characters, ""));
         }
         List items = v.Iterate();
         std::reverse(items.begin(), items.end());
         return Value::Of(std::move(items));
       }},
      {"indent", [](const Value& v, const Call& c, Budget* b) { return Indented(Soft(v), c, b); }}};
  return *filters;
}

std::string FilterName(const std::string& name) {
  return name == "count" ? "length" : name == "d" ? "default" : name;
}

using Test = std::function<bool(const Value&, const Value*)>;

const std::map<std::string, Test>& Tests() {
  static const auto* const tests = [] {
    const auto is_kind = [](Kind kind) {
      return [kind](const Value& v, const Value*) { return v.is(kind); };
    };
    const auto needed = [](const Value* other) -> const Value& {
      if (other == nullptr) Fail("the test needs an argument");
      return *other;
    };
    auto* result = new std::map<std::string, Test>{
        {"undefined", is_kind(Kind::kUndefined)},
        {"none", is_kind(Kind::kNone)},
        {"string", is_kind(Kind::kString)},
        {"mapping", is_kind(Kind::kDict)},
        {"boolean", is_kind(Kind::kBool)},
        {"integer", is_kind(Kind::kInt)},
        {"float", is_kind(Kind::kFloat)},
        {"defined", [](const Value& v, const Value*) { return !v.is(Kind::kUndefined); }},
        {"number", [](const Value& v, const Value*) { return v.is_number(); }},
        {"true", [](const Value& v, const Value*) { return v.is(Kind::kBool) && v.Truth(); }},
        {"false", [](const Value& v, const Value*) { return v.is(Kind::kBool) && !v.Truth(); }},
        {"iterable",
         [](const Value& v, const Value*) {
           return v.is_list() || v.is(Kind::kString) || v.is(Kind::kDict) || v.is(Kind::kUndefined);
         }},
        {"sequence",
         [](const Value& v, const Value*) {
           return v.is_list() || v.is(Kind::kString) || v.is(Kind::kDict) || v.is(Kind::kUndefined);
         }},
        {"callable",
         [](const Value& v, const Value*) {
           return v.is(Kind::kMacro) || v.is(Kind::kFunction) || v.is(Kind::kMethod) ||
                  v.is(Kind::kUndefined);
         }},
        {"odd",
         [](const Value& v, const Value*) {
           if (!v.is_number()) Mismatch("odd", v);
           return v.is_integer() ? v.integer() % 2 != 0 : std::fabs(std::fmod(v.number(), 2)) == 1;
         }},
        {"even",
         [](const Value& v, const Value*) {
           if (!v.is_number()) Mismatch("even", v);
           return v.is_integer() ? v.integer() % 2 == 0 : std::fabs(std::fmod(v.number(), 2)) == 0;
         }},
        {"divisibleby",
         [needed](const Value& v, const Value* other) {
           if (!v.is_number() || !needed(other).is_number() || other->number() == 0)
             Fail("divisibleby is about two numbers, the second not 0");
           if (!v.is_integer() || !other->is_integer()) return std::fmod(v.number(), other->number()) == 0;
           return other->integer() == -1 || v.integer() % other->integer() == 0;
         }},
        {"lower",
         [](const Value& v, const Value*) {
           return Lower(v.Str()) == v.Str() && Upper(v.Str()) != v.Str();
         }},
        {"upper",
         [](const Value& v, const Value*) {
           return Upper(v.Str()) == v.Str() && Lower(v.Str()) != v.Str();
         }},
        {"in", [needed](const Value& v, const Value* other) { return Contains(needed(other), v); }},
        {"sameas", [needed](const Value& v, const Value* other) {
           return v.kind() == needed(other).kind() && Equal(v, *other);
         }}};
    const auto order = [&](std::initializer_list<const char*> names, bool (*holds)(int)) {
      for (const char* name : names) {
        (*result)[name] = [needed, holds](const Value& v, const Value* other) {
          return holds(Compare(v, needed(other)));
        };
      }
    };
    order({"lt", "lessthan", "<"}, [](int o) { return o < 0; });
    order({"le", "<="}, [](int o) { return o <= 0; });
    order({"gt", "greaterthan", ">"}, [](int o) { return o > 0; });
    order({"ge", ">="}, [](int o) { return o >= 0; });
    for (const char* name : {"eq", "equalto", "=="})
      (*result)[name] = [needed](const Value& v, const Value* o) { return Equal(v, needed(o)); };
    for (const char* name : {"ne", "!="})
      (*result)[name] = [needed](const Value& v, const Value* o) { return !Equal(v, needed(o)); };
    return result;
  }();
  return *tests;
}

// Whether Python's str has it; which of them are supported is told when one is called.
bool IsStringMethod(const std::string& name) {
  static constexpr const char* kNames[] = {
      "capitalize",   "casefold",    "center",    "count",      "encode",       "endswith",
      "expandtabs",   "find",        "format",    "format_map", "index",        "isalnum",
      "isalpha",      "isascii",     "isdecimal", "isdigit",    "isidentifier", "islower",
      "isnumeric",    "isprintable", "isspace",   "istitle",    "isupper",      "join",
      "ljust",        "lower",       "lstrip",    "maketrans",  "partition",    "removeprefix",
      "removesuffix", "replace",     "rfind",     "rindex",     "rjust",        "rpartition",
      "rsplit",       "rstrip",      "split",     "splitlines", "startswith",   "strip",
      "swapcase",     "title",       "translate", "upper",      "zfill"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

void CheckFits(bool fits) {
  if (!fits) Fail("a number is too large");
}

// Of a slice's or an item's index.
int64_t Index(const Value& value) {
  if (!value.is_integer()) Fail(absl::StrCat("indices must be integers, not ", value.Type()));
  return value.integer();
}

}  // namespace

const Value* Call::Find(size_t place, std::string_view wanted) const {
  if (place < positional.size()) return &positional[place];
  for (const auto& [given, value] : named) {
    if (given == wanted) return &value;
  }
  return nullptr;
}

std::string Call::Text(size_t place, std::string_view wanted, std::string_view otherwise) const {
  const Value* const value = Find(place, wanted);
  if (value == nullptr) return std::string(otherwise);
  if (value->is(Kind::kUndefined)) Mismatch(name, *value);
  return value->Str();
}

int64_t Call::Integer(size_t place, std::string_view wanted, int64_t otherwise) const {
  const Value* const value = Find(place, wanted);
  if (value == nullptr || value->is(Kind::kNone)) return otherwise;
  if (!value->is_integer()) Mismatch(name, *value);
  return value->integer();
}

bool Call::Flag(size_t place, std::string_view wanted, bool otherwise) const {
  const Value* const value = Find(place, wanted);
  return value == nullptr ? otherwise : value->Truth();
}

void Budget::Spend(size_t steps) {
  steps_ += steps;
  if (steps_ > kMostSteps)
    Fail(absl::StrCat("the template takes more than ", kMostSteps, " steps"));
}

Value Budget::Text(std::string text) {
  CheckText(text.size());
  Spend(text.size() / 16);
  return Value::String(std::move(text));
}

Value Budget::Items(List items, bool tuple) {
  Spend(items.size() * 10);
  return Value::Of(std::move(items), tuple);
}

Value Attribute(const Value& value, const std::string& name) {
  switch (value.kind()) {
    case Kind::kUndefined:
      Fail(absl::StrCat("'", value.text(), "' is undefined"));
    case Kind::kDict: {
      static constexpr const char* kMethods[] = {"items",   "keys",  "values", "get",
                                                 "copy",    "pop",   "clear",  "setdefault",
                                                 "popitem", "update"};
      for (const char* method : kMethods) {
        if (name == method) return Value::Method(value, name);
      }
      const Value* const found = value.Find(name);
      return found == nullptr
                 ? Value::Undefined(absl::StrCat("dict object has no attribute ", name))
                 : *found;
    }
    case Kind::kNamespace:
      for (const auto& [key, member] : value.space().members) {
        if (key == name) return member;
      }
      break;
    case Kind::kString:
      if (IsStringMethod(name)) return Value::Method(value, name);
      break;
    case Kind::kList:
    case Kind::kTuple:
      for (const char* method : {"index", "count", "copy", "append", "extend", "insert", "pop",
                                 "remove", "reverse", "sort", "clear"}) {
        if (name == method) return Value::Method(value, name);
      }
      break;
    default:
      break;
  }
  return Value::Undefined(absl::StrCat(value.Type(), " object has no attribute ", name));
}

Value Item(const Value& value, const Value& key) {
  if (value.is(Kind::kUndefined)) Fail(absl::StrCat("'", value.text(), "' is undefined"));
  if (value.is(Kind::kDict)) {
    if (!key.is(Kind::kString)) return Value::Undefined("dict object has no such element");
    const Value* const found = value.Find(key.text());
    return found != nullptr ? *found : Attribute(value, key.text());
  }
  if (key.is(Kind::kString)) return Attribute(value, key.text());
  if (!key.is_integer())
    return Value::Undefined(absl::StrCat(value.Type(), " object has no such element"));
  if (value.is(Kind::kString)) {
    const auto characters = Characters(value.text());
    const int64_t size = static_cast<int64_t>(characters.size());
    const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at >= 0 && at < size) return Value::String(std::string(characters[at]));
  } else if (value.is_list()) {
    const int64_t size = static_cast<int64_t>(value.items().size());
    const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at >= 0 && at < size) return value.items()[at];
  }
  return Value::Undefined(absl::StrCat(value.Type(), " object has no element ", key.integer()));
}

Value Slice(const Value& value, const Value& start, const Value& stop, const Value& step,
            Budget* budget) {
  if (value.is(Kind::kUndefined)) Mismatch("slicing", value);
  if (!value.is(Kind::kString) && !value.is_list())
    return Value::Undefined(absl::StrCat(value.Type(), " object has no slices"));
  const bool text = value.is(Kind::kString);
  const std::vector<std::string_view> characters =
      text ? Characters(value.text()) : std::vector<std::string_view>();
  const int64_t size = static_cast<int64_t>(text ? characters.size() : value.items().size());
  const int64_t by = step.is(Kind::kNone) ? 1 : Index(step);
  if (by == 0) Fail("slice step cannot be zero");
  // Python's rules for what lies outside.
  const int64_t lowest = by < 0 ? -1 : 0, highest = by < 0 ? size - 1 : size;
  const auto clamp = [&](const Value& at, int64_t otherwise) {
    if (at.is(Kind::kNone)) return otherwise;
    const int64_t i = Index(at);
    return i < 0 ? (i < -size ? lowest : std::max(i + size, lowest)) : std::min(i, highest);
  };
  const int64_t end = clamp(stop, by < 0 ? lowest : highest);
  std::string out;
  List kept;
  for (int64_t at = clamp(start, by < 0 ? highest : lowest); by > 0 ? at < end : at > end;
       at += by) {
    text ? (void)out.append(characters[at]) : kept.push_back(value.items()[at]);
    if (by > size || by < -size) break;
  }
  return text ? budget->Text(std::move(out))
              : budget->Items(std::move(kept), value.is(Kind::kTuple));
}

Value Binary(const std::string& op, const Value& left, const Value& right, Budget* budget) {
  if (left.is(Kind::kUndefined)) Mismatch(op, left);
  if (right.is(Kind::kUndefined)) Mismatch(op, right);
  if (left.is_number() && right.is_number()) {
    const double a = left.number(), b = right.number();
    if ((op == "/" || op == "//" || op == "%") && b == 0) Fail("division by zero");
    if (op == "/") return Value::Float(a / b);
    if (left.is_integer() && right.is_integer()) {
      const int64_t x = left.integer(), y = right.integer();
      int64_t result = 0;
      if (op == "+") {
        CheckFits(!__builtin_add_overflow(x, y, &result));
        return Value::Int(result);
      }
      if (op == "-") {
        CheckFits(!__builtin_sub_overflow(x, y, &result));
        return Value::Int(result);
      }
      if (op == "*") {
        CheckFits(!__builtin_mul_overflow(x, y, &result));
        return Value::Int(result);
      }
      if (op == "**") {
        if (x == 0 && y < 0) Fail("0 cannot be raised to a negative power");
        if (y < 0) return Value::Float(std::pow(a, b));
        result = 1;
        for (int64_t i = 0; i < y && result != 0 && !(x == 1) && !(x == -1 && i >= y % 2); ++i)
          CheckFits(!__builtin_mul_overflow(result, x, &result));
        return Value::Int(result);
      }
      // Rounded down, as Python does; -1 apart, which can overflow.
      if (y == -1) {
        CheckFits(x != INT64_MIN);
        return Value::Int(op == "%" ? 0 : -x);
      }
      const int64_t quotient = x / y, remainder = x % y;
      const bool below = remainder != 0 && (remainder < 0) != (y < 0);
      return Value::Int(op == "%" ? remainder + (below ? y : 0) : quotient - below);
    }
    if (op == "+") return Value::Float(a + b);
    if (op == "-") return Value::Float(a - b);
    if (op == "*") return Value::Float(a * b);
    if (op == "**") return Value::Float(std::pow(a, b));
    if (op == "//") return Value::Float(std::floor(a / b));
    const double remainder = std::fmod(a, b);
    if (remainder == 0) return Value::Float(std::copysign(0.0, b));
    return Value::Float((remainder < 0) != (b < 0) ? remainder + b : remainder);
  }
  if (op == "+" && left.is(Kind::kString) && right.is(Kind::kString))
    return budget->Text(left.text() + right.text());
  if (op == "+" && left.kind() == right.kind() && left.is_list()) {
    List items = left.items();
    items.insert(items.end(), right.items().begin(), right.items().end());
    return budget->Items(std::move(items), left.is(Kind::kTuple));
  }
  if (op == "*" && (left.is_integer() || right.is_integer())) {
    const Value& what = left.is_integer() ? right : left;
    const int64_t times = std::max<int64_t>(0, (left.is_integer() ? left : right).integer());
    const int64_t size = what.is(Kind::kString) ? static_cast<int64_t>(what.text().size())
                                                : static_cast<int64_t>(what.Length());
    if (times > 0 && size > static_cast<int64_t>(kMostItems) / times) Fail("too much of it");
    budget->Spend(static_cast<size_t>(size * times));
    if (what.is(Kind::kString)) {
      std::string text;
      for (int64_t i = 0; i < times && size > 0; ++i) text += what.text();
      return budget->Text(std::move(text));
    }
    if (what.is_list()) {
      List items;
      for (int64_t i = 0; i < times && size > 0; ++i)
        items.insert(items.end(), what.items().begin(), what.items().end());
      return budget->Items(std::move(items), what.is(Kind::kTuple));
    }
  }
  Fail(absl::StrCat("unsupported operand types for ", op, ": '", left.Type(), "' and '",
                    right.Type(), "'"));
}

Value CallMethod(const Value& self, const Call& call, Budget* budget) {
  if (self.is(Kind::kString)) return StringMethod(self.text(), call, budget);
  const std::string& name = call.name;
  const auto needed = [&]() -> const Value& {
    const Value* const first = call.Find(0, "");
    if (first == nullptr) Fail(absl::StrCat(name, "() needs an argument"));
    return *first;
  };
  if (name == "copy") return self;
  if (self.is(Kind::kDict)) {
    if (name == "items") return Items(self.members());
    if (name == "keys") return Value::Of(self.Iterate());
    if (name == "values") {
      List values;
      for (const auto& [key, value] : self.members()) values.push_back(value);
      return Value::Of(std::move(values));
    }
    if (name == "get") {
      const Value& key = needed();
      const Value* const found = key.is(Kind::kString) ? self.Find(key.text()) : nullptr;
      const Value* const otherwise = call.Find(1, "");
      return found != nullptr ? *found : otherwise != nullptr ? *otherwise : Value::None();
    }
  } else if (name == "index" || name == "count") {
    const Value& wanted = needed();
    const List& items = self.items();
    const auto same = [&](const Value& item) { return Equal(item, wanted); };
    if (name == "count") return Value::Int(std::count_if(items.begin(), items.end(), same));
    const auto found = std::find_if(items.begin(), items.end(), same);
    if (found == items.end()) Fail("index(): the value is not in the list");
    return Value::Int(found - items.begin());
  }
  Fail(absl::StrCat("the method ", self.Type(), ".", name,
                    " is not allowed: a template cannot change values"));
}

Value CallFilter(const Value& value, const Call& call, Budget* budget) {
  budget->Spend(1);
  Value result = Filters().at(FilterName(call.name))(value, call, budget);
  if (result.is_list()) budget->Spend(result.items().size() * 10);
  return result;
}

bool CallTest(const Value& value, const Call& call) {
  return Tests().at(call.name)(value, call.Find(0, ""));
}

bool IsFilter(const std::string& name) { return Filters().contains(FilterName(name)); }
bool IsTest(const std::string& name) { return Tests().contains(name); }

}  // namespace sojourn::policy::chat_template
