// Values of a chat template: what Python's are to Jinja2.
#ifndef SOJOURN_POLICY_CHAT_TEMPLATE_VALUE_H_
#define SOJOURN_POLICY_CHAT_TEMPLATE_VALUE_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sojourn::policy::chat_template {

// Thrown and caught within the template engine only; `line` 0: not known yet.
struct Error {
  std::string message;
  int line = 0;
};
[[noreturn]] void Fail(std::string message);

inline constexpr size_t kMostText = 4 << 20;   // bytes of one text, and of the output
inline constexpr size_t kMostItems = 1 << 20;  // of one list, and characters to go over
void CheckText(size_t bytes);                  // fails above kMostText

struct Macro;
struct Namespace;
class Value;
using List = std::vector<Value>;
using Dict = std::vector<std::pair<std::string, Value>>;  // in order

class Value {
 public:
  enum class Kind {
    kUndefined,
    kNone,
    kBool,
    kInt,
    kFloat,
    kString,
    kList,
    kTuple,
    kDict,
    kNamespace,
    kMacro,
    kFunction,  // a global, by name
    kMethod,    // of a value
  };

  Value() = default;  // undefined
  static Value Undefined(std::string name);
  static Value None();
  static Value Bool(bool value);
  static Value Int(int64_t value);
  static Value Float(double value);
  static Value String(std::string value);
  static Value Of(List items, bool tuple = false);
  static Value Of(Dict items);
  static Value Of(std::shared_ptr<Namespace> space);
  static Value Of(std::shared_ptr<const Macro> macro);
  static Value Function(std::string name);
  static Value Method(Value self, std::string name);
  static Value FromJson(const nlohmann::ordered_json& json);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_list() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_number() const { return is_integer() || kind_ == Kind::kFloat; }
  bool is_integer() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }

  int64_t integer() const { return integer_; }  // of kInt and kBool
  double number() const { return kind_ == Kind::kFloat ? float_ : static_cast<double>(integer_); }
  const std::string& text() const { return *text_; }  // kString; a function's, method's name
  const List& items() const { return *items_; }
  const Dict& members() const { return *members_; }
  Namespace& space() const { return *space_; }
  const std::shared_ptr<const Macro>& macro() const { return macro_; }
  const Value& self() const { return (*items_)[0]; }  // kMethod

  const Value* Find(std::string_view key) const;  // of kDict; null: not there

  bool Truth() const;
  std::string Type() const;  // Python's name of it
  std::string Str() const;   // as {{ }} prints it
  std::string Repr() const;
  size_t Length() const;  // characters or items
  List Iterate() const;   // characters, items or keys
  // As json.dumps with ensure_ascii false; indent < 0: none.
  std::string Json(int indent, const std::string& item_separator, const std::string& key_separator,
                   bool sort_keys) const;

 private:
  void DumpJson(int indent, int level, const std::string& item_separator,
                const std::string& key_separator, bool sort_keys, std::string* out) const;

  Kind kind_ = Kind::kUndefined;
  int depth_ = 0;  // containers within containers
  int64_t integer_ = 0;
  double float_ = 0;
  std::shared_ptr<const std::string> text_;
  std::shared_ptr<const List> items_;
  std::shared_ptr<const Dict> members_;
  std::shared_ptr<Namespace> space_;
  std::shared_ptr<const Macro> macro_;
};

struct Namespace {
  Dict members;
};

bool Equal(const Value& a, const Value& b);
int Compare(const Value& a, const Value& b);  // <0, 0, >0; fails where Python cannot order
bool Contains(const Value& container, const Value& item);

// Text by characters (Python's strings are of code points).
std::vector<std::string_view> Characters(std::string_view text);
bool IsPythonSpace(uint32_t c);
std::string_view Strip(std::string_view text, bool left, bool right);
std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
std::string FloatRepr(double value);

}  // namespace sojourn::policy::chat_template

#endif  // SOJOURN_POLICY_CHAT_TEMPLATE_VALUE_H_
