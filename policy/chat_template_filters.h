// What a chat template may call on values.
#ifndef SOJOURN_POLICY_CHAT_TEMPLATE_FILTERS_H_
#define SOJOURN_POLICY_CHAT_TEMPLATE_FILTERS_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "policy/chat_template_value.h"

namespace sojourn::policy::chat_template {

// The arguments of a call, taken by place or by name.
struct Call {
  std::string name;  // of what is called, for errors
  List positional;
  std::vector<std::pair<std::string, Value>> named;

  // The argument, or null.
  const Value* Find(size_t place, std::string_view name) const;
  std::string Text(size_t place, std::string_view name, std::string_view otherwise) const;
  int64_t Integer(size_t place, std::string_view name, int64_t otherwise) const;
  bool Flag(size_t place, std::string_view name, bool otherwise) const;
};

// The bounds of a rendering.
class Budget {
 public:
  void Spend(size_t steps);                     // fails when there are none left
  Value Text(std::string text);                 // made by the template: costs its length
  Value Items(List items, bool tuple = false);  // likewise
  // Also bytes made / 16, and 10 for each item of a list made: memory is bounded by it.
  static constexpr size_t kMostSteps = 20'000'000;

 private:
  size_t steps_ = 0;
};

// value.name and value[key]; undefined where there is none.
Value Attribute(const Value& value, const std::string& name);
Value Item(const Value& value, const Value& key);
Value Slice(const Value& value, const Value& start, const Value& stop, const Value& step,
            Budget* budget);
Value Binary(const std::string& op, const Value& left, const Value& right, Budget* budget);

Value CallMethod(const Value& self, const Call& call, Budget* budget);
Value CallFilter(const Value& value, const Call& call, Budget* budget);
bool CallTest(const Value& value, const Call& call);

// Whether there is one, to be known when a template is read.
bool IsFilter(const std::string& name);
bool IsTest(const std::string& name);

}  // namespace sojourn::policy::chat_template

#endif  // SOJOURN_POLICY_CHAT_TEMPLATE_FILTERS_H_
